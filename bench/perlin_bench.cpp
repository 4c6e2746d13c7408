// Pictures of gradient noise, five octaves each.
//
// floor  three bytes written per pixel; in fact the arithmetic of the octaves: some 60 integer operations and one load from
//        a table per pixel and octave
#include "bench/support/device_bench.h"
#include "kernels/perlin.h"

namespace nagare::bench {
namespace {

void perlin_images(benchmark::State& state, Device device) {
  constexpr int kOctaves = 5;
  const kernels::Perlin p{.count = state.range(0), .size = state.range(1)};
  std::vector<kernels::PerlinImage> described(static_cast<std::size_t>(p.count));
  for (std::size_t i = 0; i < described.size(); ++i) {
    kernels::PerlinImage& image = described[i];
    const auto cells = static_cast<std::uint32_t>(4 * 65536 / p.size);  // per pixel
    const std::uint32_t view[6] = {cells, cells / 3, 0, 0U - cells / 3, cells, 0};
    std::copy(view, view + 6, image.view);
    for (int o = 0; o < kOctaves; ++o) image.amplitude[o] = 4096 >> o;
    image.octaves = kOctaves;
    image.period = kernels::kPerlinPeriod;
    image.gain = 900;
    image.offset = 128;
    image.sum = kernels::PerlinSum::sum;
    image.fold = false;
    for (int c = 0; c < 3; ++c) image.high[c] = 255;
    image.sample = static_cast<std::uint32_t>(i);
  }
  auto images = copied(device, described);
  const std::int64_t pixels = p.count * p.size * p.size;
  Buffer<std::uint8_t> out(device, 3 * pixels);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, perlin(p, images.data(), out.data(), stream)); });
  report(state, {.bytes = 3.0 * static_cast<double>(pixels),
                 .flops = 60.0 * kOctaves * static_cast<double>(pixels)});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"count", "size"})->UseManualTime();
  b->Args({5000, 32});  // a training split of the data source
  b->Args({512, 64});
  b->Args({64, 224});
  b->Args({7, 31});
}
BENCHMARK_CAPTURE(perlin_images, cpu, Device::cpu)->Apply(sizes);
BENCHMARK_CAPTURE(perlin_images, cuda, Device::cuda)->Apply(sizes);

}  // namespace
}  // namespace nagare::bench
