// 3 x 3 maxima with stride 2, ResNet's, and 2 x 2.
//
// floor  forward: x read once, y and one byte of position written; backward: dy and positions read, dx written
#include "bench/support/device_bench.h"
#include "kernels/max_pool.h"

namespace nagare::bench {
namespace {

template <class T>
struct MaxPoolCase {
  MaxPoolCase(benchmark::State& state, Device device)
      : p{.n = state.range(0),
          .height = state.range(1),
          .width = state.range(1),
          .channels = state.range(2),
          .kernel = static_cast<int>(state.range(3)),
          .stride = 2,
          .padding = static_cast<int>(state.range(3)) / 2},
        inputs(p.n * p.height * p.width * p.channels),
        outputs(p.n * p.out_height() * p.out_width() * p.channels),
        x(normal_as<T>(device, inputs, 1)),
        y(normal_as<T>(device, outputs, 2)),
        at(device, outputs) {}

  kernels::MaxPool p;
  std::int64_t inputs, outputs;
  Buffer<T> x, y;
  Buffer<std::uint8_t> at;
};

template <class T>
void max_pool_forward(benchmark::State& state, Device device) {
  MaxPoolCase<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, max_pool<T>(c.p, c.x.data(), c.y.data(), c.at.data(), stream));
  });
  report(state, {.bytes = 1.0 * sizeof(T) * (c.inputs + c.outputs) + c.outputs,
                 .flops = 1.0 * c.p.kernel * c.p.kernel * c.outputs});
}

template <class T>
void max_pool_backward(benchmark::State& state, Device device) {
  MaxPoolCase<T> c(state, device);
  prepare(device, [&](Stream stream) {
    NAGARE_DISPATCH(device, max_pool<T>(c.p, c.x.data(), c.y.data(), c.at.data(), stream));
  });
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, max_pool_backward<T>(c.p, c.at.data(), c.y.data(), c.x.data(), stream));
  });
  report(state, {.bytes = 1.0 * sizeof(T) * (c.inputs + c.outputs) + c.outputs,
                 .flops = 1.0 * c.p.kernel * c.p.kernel * c.outputs});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "side", "channels", "kernel"});
  b->Args({32, 112, 64, 3});  // ResNet-18's stem on 224 pixels
  b->Args({128, 16, 128, 2});
  b->Args({3, 31, 17, 3});
}
NAGARE_BENCHMARK(max_pool_forward, sizes);
NAGARE_BENCHMARK(max_pool_backward, sizes);

}  // namespace
}  // namespace nagare::bench
