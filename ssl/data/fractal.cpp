#include "ssl/data/fractal.h"

#include <algorithm>

#include "kernels/dispatch.h"
#include "kernels/fractal.h"
#include "kernels/parallel.h"
#include "ssl/data/drawn.h"
#include "ssl/data/fractal_system.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kSteps = 128;       // hits per walker
constexpr std::int64_t kHitsPerPixel = 8;  // over the whole picture

void draw_images(const DrawnSet& set, const std::vector<FractalSystem>& systems, const DrawnPart& part,
                 const Tensor& images) {
  const std::int64_t count = images.shape()[0];
  std::vector<kernels::FractalImage> described(static_cast<std::size_t>(count));
  parallel_for(count, [&](std::int64_t i) {
    described[static_cast<std::size_t>(i)] = fractal_instance(
        systems[part.class_of(i)], set.seed, part.class_of(i), part.instance_of(i), set.size);
  });
  const kernels::Fractal p{.count = count,
                           .size = set.size,
                           .walkers = std::max<std::int64_t>(set.size * set.size * kHitsPerPixel / kSteps, 1),
                           .steps = kSteps,
                           .half = 3};
  const Device device = images.device();
  const Tensor on_device =
      upload_descriptions(described.data(), described.size() * sizeof(kernels::FractalImage), device);
  const Tensor scratch =
      Tensor::empty({count, set.size, set.size, 2 * 4}, {.dtype = DType::u8, .device = device});
  NAGARE_DISPATCH(device, fractal(p, static_cast<const kernels::FractalImage*>(on_device.raw()),
                                  static_cast<std::uint32_t*>(scratch.raw()), images.data<std::uint8_t>(),
                                  images.stream()));
}

}  // namespace

Dataset load_fractal(const DataSpec& spec, const DataOptions& options) {
  const DrawnSet set = read_drawn(spec);
  std::vector<FractalSystem> systems(static_cast<std::size_t>(set.classes));
  parallel_for(set.classes, [&](std::int64_t c) {
    systems[static_cast<std::size_t>(c)] = fractal_class(set.seed, static_cast<std::uint32_t>(c));
  });
  // Descriptions and scratch of a part at a time: 64 MiB of scratch.
  const std::int64_t part = std::max<std::int64_t>((std::int64_t{64} << 20) / (set.size * set.size * 8), 1);
  return draw_dataset(set, "fractal", part, options.device, [&](const DrawnPart& of, const Tensor& images) {
    draw_images(set, systems, of, images);
  });
}

}  // namespace nagare::ssl
