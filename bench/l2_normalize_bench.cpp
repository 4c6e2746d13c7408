// Rows to unit length, and back.
//
// floor  forward: x read once, y written once (a row stays in the first cache between its passes). backward: y and dy
//        read, dx written
#include "bench/support/device_bench.h"
#include "kernels/l2_normalize.h"

namespace nagare::bench {
namespace {

template <class T>
void l2_normalize_forward(benchmark::State& state, Device device) {
  const kernels::L2Normalize p{.rows = state.range(0), .cols = state.range(1)};
  Buffer<T> x = normal_as<T>(device, p.rows * p.cols, 1);
  Buffer<T> y(device, p.rows * p.cols);
  Buffer<float> norm(device, p.rows);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, l2_normalize<T>(p, x.data(), y.data(), norm.data(), stream));
  });
  const double elements = static_cast<double>(p.rows * p.cols);
  report(state, {.bytes = 2.0 * sizeof(T) * elements, .flops = 3.0 * elements});
}

template <class T>
void l2_normalize_backward(benchmark::State& state, Device device) {
  const kernels::L2Normalize p{.rows = state.range(0), .cols = state.range(1)};
  Buffer<T> y = normal_as<T>(device, p.rows * p.cols, 1);
  Buffer<T> dy = normal_as<T>(device, p.rows * p.cols, 2);
  Buffer<T> dx(device, p.rows * p.cols);
  Buffer<float> norm = filled(device, p.rows, 3.0F);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, l2_normalize_backward<T>(p, y.data(), norm.data(), dy.data(), dx.data(), stream));
  });
  const double elements = static_cast<double>(p.rows * p.cols);
  report(state, {.bytes = 3.0 * sizeof(T) * elements, .flops = 5.0 * elements});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"});
  b->Args({512, 128});    // SimCLR, 256 images
  b->Args({2000, 1024});  // EMP-SSL, 20 patches of 100 images
  b->Args({8192, 128});   // SimCLR, 4,096 images
  b->Args({1009, 97});    // fits no vector
}
NAGARE_BENCHMARK(l2_normalize_forward, published_sizes);
NAGARE_BENCHMARK(l2_normalize_backward, published_sizes);

}  // namespace
}  // namespace nagare::bench
