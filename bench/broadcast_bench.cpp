// A row or a column combined with every element of a matrix.
//
// floor  the matrix read once and written once; the vector stays in a cache
#include "bench/support/device_bench.h"
#include "kernels/broadcast.h"

namespace nagare::bench {
namespace {

template <class T>
void time_broadcast(benchmark::State& state, Device device, const kernels::Broadcast& p) {
  Buffer<T> x = normal_as<T>(device, p.axis.numel(), 1);
  Buffer<float> v = normal(device, p.axis.outer * p.axis.inner, 2);
  Buffer<T> y(device, p.axis.numel());
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, broadcast<T>(p, x.data(), v.data(), y.data(), stream));
  });
  report(state, {.bytes = 2.0 * sizeof(T) * p.axis.numel(), .flops = 1.0 * p.axis.numel()});
}

template <class T>
void add_row(benchmark::State& state, Device device) {
  time_broadcast<T>(state, device,
                    {.function = kernels::BroadcastFunction::add,
                     .axis = {.outer = 1, .count = state.range(0), .inner = state.range(1)}});
}

template <class T>
void multiply_column(benchmark::State& state, Device device) {
  time_broadcast<T>(state, device,
                    {.function = kernels::BroadcastFunction::multiply,
                     .axis = {.outer = state.range(0), .count = state.range(1), .inner = 1}});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"});
  b->Args({128 * 65, 192});  // tokens of a ViT-Ti/4, 128 CIFAR images
  b->Args({512, 2048});      // SimSiam's projections
  b->Args({1009, 97});       // fits no vector
}
NAGARE_BENCHMARK(add_row, sizes);
NAGARE_BENCHMARK(multiply_column, sizes);

}  // namespace
}  // namespace nagare::bench
