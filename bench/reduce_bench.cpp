// Sums over an axis, dot products over it, and what spreads them again.
//
// floor  every input read once (the results are small); spread: the output written once
#include "bench/support/device_bench.h"
#include "kernels/reduce.h"

namespace nagare::bench {
namespace {

kernels::Reduce reduction(const benchmark::State& state) {
  return {.axis = {.outer = state.range(0), .count = state.range(1), .inner = state.range(2)}};
}

template <class T>
void reduce_sum(benchmark::State& state, Device device) {
  const kernels::Reduce p = reduction(state);
  Buffer<T> x = normal_as<T>(device, p.axis.numel(), 1);
  Buffer<float> y(device, p.axis.outer * p.axis.inner);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, reduce_sum<T>(p, x.data(), y.data(), stream)); });
  report(state, {.bytes = 1.0 * sizeof(T) * p.axis.numel() + 4.0 * y.count(), .flops = 1.0 * p.axis.numel()});
}

template <class T>
void reduce_dot(benchmark::State& state, Device device) {
  const kernels::Reduce p = reduction(state);
  Buffer<T> a = normal_as<T>(device, p.axis.numel(), 1);
  Buffer<T> b = normal_as<T>(device, p.axis.numel(), 2);
  Buffer<float> y(device, p.axis.outer * p.axis.inner);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, reduce_dot<T>(p, a.data(), b.data(), y.data(), stream));
  });
  report(state, {.bytes = 2.0 * sizeof(T) * p.axis.numel() + 4.0 * y.count(), .flops = 2.0 * p.axis.numel()});
}

template <class T>
void spread(benchmark::State& state, Device device) {
  const kernels::Reduce p = reduction(state);
  Buffer<float> y = normal(device, p.axis.outer * p.axis.inner, 1);
  Buffer<T> x(device, p.axis.numel());
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, spread<float>(p, y.data(), x.data(), stream)); });
  report(state, {.bytes = 1.0 * sizeof(T) * p.axis.numel() + 4.0 * y.count()});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"outer", "count", "inner"});
  b->Args({1, 128 * 32 * 32, 64});  // rows of a matrix: a bias' gradient
  b->Args({128, 49, 512});          // pixels: global average pooling, ResNet-18 on 224 pixels
  b->Args({8320, 192, 1});          // columns
  b->Args({7, 131, 37});
}
NAGARE_BENCHMARK(reduce_sum, sizes);
NAGARE_BENCHMARK(reduce_dot, sizes);
NAGARE_BENCHMARK(spread, sizes);

}  // namespace
}  // namespace nagare::bench
