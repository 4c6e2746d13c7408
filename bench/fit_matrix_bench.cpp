// Rows padded with zeros or cut: three channels to eight for tensor cores, and back; rows of classes to a multiple of 8.
//
// floor  the smaller matrix read once, the result written once
#include <algorithm>

#include "bench/support/device_bench.h"
#include "kernels/fit_matrix.h"

namespace nagare::bench {
namespace {

template <class T>
void fit_matrix(benchmark::State& state, Device device) {
  const kernels::FitMatrix p{.in_rows = state.range(0),
                             .in_cols = state.range(1),
                             .out_rows = state.range(0),
                             .out_cols = state.range(2)};
  Buffer<T> in = normal_as<T>(device, p.in_rows * p.in_cols, 1);
  Buffer<T> out(device, p.out_rows * p.out_cols);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, fit_matrix<T>(p, in.data(), out.data(), stream)); });
  const std::int64_t overlap = p.in_rows * std::min(p.in_cols, p.out_cols);
  report(state, {.bytes = 1.0 * sizeof(T) * (overlap + p.out_rows * p.out_cols)});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "from", "to"});
  b->Args({128 * 32 * 32, 3, 8});  // a CIFAR batch for the first convolution
  b->Args({128 * 32 * 32, 8, 3});
  b->Args({4096, 1000, 1024});
  b->Args({1009, 97, 101});
}
NAGARE_BENCHMARK(fit_matrix, sizes);

}  // namespace
}  // namespace nagare::bench
