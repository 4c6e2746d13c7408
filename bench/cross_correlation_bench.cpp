// Barlow Twins' cross-correlation of two views: the loss alone, and the loss with both gradients.
//
// floor  the products of the smaller form (see kernels/cross_correlation.h), of a symmetric one the half: N^2 D
//        multiply-adds for the loss by rows and 2 N^2 D more for the gradients, else N D^2 and 2 N D^2; x and y read once,
//        the gradients written once
#include "bench/support/device_bench.h"
#include "kernels/cross_correlation.h"

namespace nagare::bench {
namespace {

template <class T>
void cross_correlation(benchmark::State& state, Device device) {
  const kernels::CrossCorrelation p{.rows = state.range(0), .cols = state.range(1)};
  const bool gradients = state.range(2) != 0;
  const std::int64_t count = p.rows * p.cols;
  Buffer<T> x = normal_as<T>(device, count, 1);
  Buffer<T> y = normal_as<T>(device, count, 2);
  Buffer<T> dx(device, count);
  Buffer<T> dy(device, count);
  Buffer<float> scratch(device, p.scratch_floats());
  Buffer<float> loss(device, 1);
  const kernels::CrossCorrelationOutputs<T> out{.loss = loss.data(),
                                                .correlation = nullptr,
                                                .dx = gradients ? dx.data() : nullptr,
                                                .dy = gradients ? dy.data() : nullptr};
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, cross_correlation<T>(p, x.data(), y.data(), scratch.data(), out, stream));
  });
  const double product = static_cast<double>(count) * static_cast<double>(std::min(p.rows, p.cols));
  report(state, {.bytes = (gradients ? 4.0 : 2.0) * sizeof(T) * static_cast<double>(count),
                 .flops = 2.0 * (gradients ? 3.0 : 1.0) * product});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols", "gradients"});
  for (const std::int64_t gradients : {0, 1}) {
    b->Args({256, 2048, gradients});  // CIFAR
    b->Args({256, 8192, gradients});  // the published head
    b->Args({512, 512, gradients});
    b->Args({512, 2048, gradients});
    b->Args({127, 97, gradients});  // fits no tile
  }
}
NAGARE_BENCHMARK(cross_correlation, published_sizes);

}  // namespace
}  // namespace nagare::bench
