// Fills with random numbers: the initial weights of a ResNet-18, of an EMP-SSL projector layer, a batch of noise images.
//
// floor  one write per element
#include "bench/support/device_bench.h"
#include "kernels/philox_fill.h"

namespace nagare::bench {
namespace {

template <class T>
void philox_fill_uniform(benchmark::State& state, Device device) {
  const kernels::PhiloxFill p{.key = {.seed = 1, .purpose = Purpose::synthetic}, .n = state.range(0)};
  Buffer<T> out(device, p.n);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, philox_uniform(p, {.low = -1.0F, .high = 1.0F}, out.data(), stream));
  });
  report(state, {.bytes = 1.0 * sizeof(T) * p.n, .flops = 2.0 * p.n});
}

template <class T>
void philox_fill_normal(benchmark::State& state, Device device) {
  const kernels::PhiloxFill p{.key = {.seed = 1, .purpose = Purpose::synthetic}, .n = state.range(0)};
  Buffer<T> out(device, p.n);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, philox_normal(p, {.mean = 0.0F, .deviation = 0.02F}, out.data(), stream));
  });
  report(state, {.bytes = 1.0 * sizeof(T) * p.n, .flops = 28.0 * p.n});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("n");
  b->Arg(11'173'962);   // ResNet-18's parameters
  b->Arg(4096 * 4096);  // one layer of EMP-SSL's projector
  b->Arg(256 * 3072);   // 256 CIFAR images of noise
  b->Arg(1009);
}
NAGARE_BENCHMARK(philox_fill_uniform, sizes);
NAGARE_BENCHMARK(philox_fill_normal, sizes);

}  // namespace
}  // namespace nagare::bench
