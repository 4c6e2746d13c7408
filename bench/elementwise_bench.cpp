// One pass over an array: sums of two, a scale and shift, products, casts, fills.
//
// floor  every array once: 3 transfers for two inputs, 2 for one, 1 for fill
#include "bench/support/device_bench.h"
#include "kernels/elementwise.h"

namespace nagare::bench {
namespace {

template <class T>
void linear_combination(benchmark::State& state, Device device) {
  const kernels::LinearCombination p{.n = state.range(0), .alpha = 0.5F, .beta = 2.0F};
  Buffer<T> a = normal_as<T>(device, p.n, 1);
  Buffer<T> b = normal_as<T>(device, p.n, 2);
  Buffer<T> out(device, p.n);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, linear_combination<T>(p, a.data(), b.data(), out.data(), stream));
  });
  report(state, {.bytes = 3.0 * sizeof(T) * p.n, .flops = 3.0 * p.n});
}

template <class T>
void affine(benchmark::State& state, Device device) {
  const kernels::Affine p{.n = state.range(0), .alpha = 0.5F, .beta = 2.0F};
  Buffer<T> a = normal_as<T>(device, p.n, 1);
  Buffer<T> out(device, p.n);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, affine<T>(p, a.data(), out.data(), stream)); });
  report(state, {.bytes = 2.0 * sizeof(T) * p.n, .flops = 2.0 * p.n});
}

template <class T>
void multiply(benchmark::State& state, Device device) {
  const std::int64_t n = state.range(0);
  Buffer<T> a = normal_as<T>(device, n, 1);
  Buffer<T> b = normal_as<T>(device, n, 2);
  Buffer<T> out(device, n);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, multiply<T>(n, a.data(), b.data(), out.data(), stream));
  });
  report(state, {.bytes = 3.0 * sizeof(T) * n, .flops = 1.0 * n});
}

template <class From, class To>
void cast(benchmark::State& state, Device device) {
  const std::int64_t n = state.range(0);
  Buffer<From> a = normal_as<From>(device, n, 1);
  Buffer<To> out(device, n);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, cast<From>(n, a.data(), out.data(), stream)); });
  report(state, {.bytes = (sizeof(From) + sizeof(To)) * 1.0 * n});
}
template <class From>
void cast_from(benchmark::State& state, Device device) {
  cast<From, std::conditional_t<std::is_same_v<From, float>, bf16, float>>(state, device);
}

template <class T>
void fill(benchmark::State& state, Device device) {
  const std::int64_t n = state.range(0);
  Buffer<T> out(device, n);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, fill<T>(n, 1.0F, out.data(), stream)); });
  report(state, {.bytes = 1.0 * sizeof(T) * n});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("n");
  b->Arg(128 * 32 * 32 * 64);  // activations of ResNet-18's first stage, 128 CIFAR images
  b->Arg(256 * 1024);          // projections of a batch
  b->Arg(10007);
}
NAGARE_BENCHMARK(linear_combination, sizes);
NAGARE_BENCHMARK(affine, sizes);
NAGARE_BENCHMARK(multiply, sizes);
NAGARE_BENCHMARK(cast_from, sizes);
NAGARE_BENCHMARK(fill, sizes);

}  // namespace
}  // namespace nagare::bench
