// Pictures of iterated function systems as ssl/data/fractal.h draws them.
//
// floor  hits added at random places of a picture's histogram (2 words a hit, from the first cache), histogram cleared
//        and read once, pixels written once. About 25 integer operations a hit, Philox's share included
#include "bench/support/device_bench.h"
#include "kernels/fractal.h"
#include "ssl/data/fractal_system.h"

namespace nagare::bench {
namespace {

void fractal(benchmark::State& state, Device device) {
  const kernels::Fractal p{.count = state.range(0),
                           .size = state.range(1),
                           .walkers = state.range(2),
                           .steps = state.range(3),
                           .half = 2};
  std::vector<kernels::FractalImage> images;
  for (std::int64_t i = 0; i < p.count; ++i) {
    const auto index = static_cast<std::uint32_t>(i % 4);
    images.push_back(
        ssl::fractal_instance(ssl::fractal_class(1, index), 1, index, static_cast<std::uint32_t>(i), p.size));
  }
  const Buffer<kernels::FractalImage> table = copied(device, images);
  Buffer<std::uint32_t> scratch(device, p.count * p.size * p.size * 2);
  Buffer<std::uint8_t> pixels(device, p.count * p.size * p.size * 3);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, fractal(p, table.data(), scratch.data(), pixels.data(), stream));
  });
  const double hits = static_cast<double>(p.count * p.walkers * p.steps);
  report(state, {.bytes = 2.0 * static_cast<double>(scratch.bytes()) + static_cast<double>(pixels.bytes()),
                 .flops = 25.0 * hits});
  state.counters["hits/s"] = benchmark::Counter(hits, benchmark::Counter::kIsIterationInvariantRate);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "size", "walkers", "steps"})->UseManualTime();
  b->Args({64, 32, 16, 256});    // CIFAR's size
  b->Args({16, 224, 64, 1024});  // ImageNet's
  b->Args({3, 31, 7, 101});
}
BENCHMARK_CAPTURE(fractal, cpu, Device::cpu)->Apply(sizes);
BENCHMARK_CAPTURE(fractal, cuda, Device::cuda)->Apply(sizes);

}  // namespace
}  // namespace nagare::bench
