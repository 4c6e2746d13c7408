// Antialiased bilinear resizing and its gradient.
//
// floor  x read once, y written once (gradient: the reverse). Work: taps of a column pass over the input's width, taps of
//        a row pass over the output, 2 flops each
#include "bench/support/device_bench.h"
#include "kernels/resize.h"

namespace nagare::bench {
namespace {

// A tap table in the memory of a device.
struct DeviceTaps {
  DeviceTaps(Device device, const kernels::TapTable& table)
      : ranges(copied(device, table.ranges)), weights(copied(device, table.weights)), stride(table.stride) {}
  kernels::TapView view() const { return {ranges.data(), weights.data(), stride}; }

  Buffer<kernels::TapRange> ranges;
  Buffer<float> weights;
  std::int64_t stride;
};

template <class T>
void time_resize(benchmark::State& state, Device device, const kernels::Resize& p,
                 const kernels::TapTable& table) {
  const DeviceTaps taps(device, table);
  const std::int64_t inputs = p.n * p.in_height * p.in_width * p.channels;
  const std::int64_t outputs = p.n * p.out_height * p.out_width * p.channels;
  Buffer<T> x = normal_as<T>(device, inputs, 1);
  Buffer<T> y(device, outputs);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, resize<T>(p, {taps.view(), taps.view()}, x.data(), y.data(), stream));
  });
  double taps_used = 0.0;
  for (const kernels::TapRange& range : table.ranges) taps_used += range.count;
  const double images = static_cast<double>(p.n * p.channels);
  report(state, {.bytes = 1.0 * sizeof(T) * (inputs + outputs),
                 .flops = 2.0 * images * taps_used * static_cast<double>(p.in_width + p.out_height)});
}

kernels::Resize square(const benchmark::State& state) {
  return {.n = state.range(0),
          .in_height = state.range(1),
          .in_width = state.range(1),
          .out_height = state.range(2),
          .out_width = state.range(2),
          .channels = state.range(3)};
}

kernels::TapTable taps_of(const kernels::Resize& p) {
  return kernels::tap_table(
      {.in = static_cast<int>(p.in_height), .out = static_cast<int>(p.out_height), .antialias = true});
}

template <class T>
void resize_forward(benchmark::State& state, Device device) {
  const kernels::Resize p = square(state);
  time_resize<T>(state, device, p, taps_of(p));
}

template <class T>
void resize_backward(benchmark::State& state, Device device) {
  const kernels::Resize p = square(state);
  time_resize<T>(state, device, p.transposed(), kernels::transposed(taps_of(p), p.in_height));
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "from", "to", "channels"});
  b->Args({128, 64, 32, 3});   // Tiny ImageNet to CIFAR's size
  b->Args({16, 256, 224, 3});  // ImageNet evaluation
  b->Args({32, 14, 28, 128});  // feature maps
  b->Args({3, 31, 17, 5});
}
NAGARE_BENCHMARK(resize_forward, sizes);
NAGARE_BENCHMARK(resize_backward, sizes);

}  // namespace
}  // namespace nagare::bench
