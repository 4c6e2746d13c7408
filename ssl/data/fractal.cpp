#include "ssl/data/fractal.h"

#include <algorithm>
#include <cstring>

#include "engine/device/memory.h"
#include "kernels/dispatch.h"
#include "kernels/fractal.h"
#include "kernels/parallel.h"
#include "ssl/data/fractal_system.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kSteps = 128;       // hits per walker
constexpr std::int64_t kHitsPerPixel = 8;  // over the whole picture
constexpr std::uint32_t kFirstTestInstance =
    1U << 30;  // so that more training images leave the test images alone

struct FractalSet {
  std::int64_t classes;
  std::int64_t size;
  std::uint64_t seed;
  std::vector<FractalSystem> systems;
};

// Draws images [begin, begin + count) of a split of `per_class` images of every class, class by class.
void draw_images(const FractalSet& set, std::int64_t per_class, std::uint32_t first_instance,
                 std::int64_t begin, const Tensor& images) {
  const std::int64_t count = images.shape()[0];
  std::vector<kernels::FractalImage> described(static_cast<std::size_t>(count));
  parallel_for(count, [&](std::int64_t i) {
    const auto c = static_cast<std::size_t>((begin + i) / per_class);
    const auto instance = first_instance + static_cast<std::uint32_t>((begin + i) % per_class);
    described[static_cast<std::size_t>(i)] =
        fractal_instance(set.systems[c], set.seed, static_cast<std::uint32_t>(c), instance, set.size);
  });
  const kernels::Fractal p{.count = count,
                           .size = set.size,
                           .walkers = std::max<std::int64_t>(set.size * set.size * kHitsPerPixel / kSteps, 1),
                           .steps = kSteps,
                           .half = 3};
  const Device device = images.device();
  const auto bytes = static_cast<std::int64_t>(described.size() * sizeof(kernels::FractalImage));
  const Tensor on_device = Tensor::empty({bytes}, {.dtype = DType::u8, .device = device});
  copy_bytes({on_device.raw(), device}, {described.data(), Device::cpu}, static_cast<std::size_t>(bytes));
  const Tensor scratch =
      Tensor::empty({count, set.size, set.size, 2 * 4}, {.dtype = DType::u8, .device = device});
  NAGARE_DISPATCH(device, fractal(p, static_cast<const kernels::FractalImage*>(on_device.raw()),
                                  static_cast<std::uint32_t*>(scratch.raw()), images.data<std::uint8_t>(),
                                  images.stream()));
}

Split draw_split(const FractalSet& set, std::int64_t per_class, std::uint32_t first_instance, Device device) {
  const std::int64_t total = set.classes * per_class;
  // Descriptions and scratch of a part at a time: 64 MiB of scratch.
  const std::int64_t part = std::max<std::int64_t>((std::int64_t{64} << 20) / (set.size * set.size * 8), 1);
  Split split;
  split.images = Tensor::empty({total, set.size, set.size, 3}, {.dtype = DType::u8});
  for (std::int64_t begin = 0; begin < total; begin += part) {
    const Tensor target = split.images.rows(begin, std::min(part, total - begin));
    const Tensor images = device == Device::cpu ? target : Tensor::empty(target.shape(), {DType::u8, device});
    draw_images(set, per_class, first_instance, begin, images);
    if (device != Device::cpu) target.copy_from(images);
  }
  for (std::int64_t i = 0; i < total; ++i) split.labels.classes.push_back(i / per_class);
  return split;
}

}  // namespace

Dataset load_fractal(const DataSpec& spec, const DataOptions& options) {
  FractalSet set;
  set.classes = spec.integer("classes", 10, {1, 10'000});
  set.size = spec.integer("size", 32, {8, 512});
  set.seed = static_cast<std::uint64_t>(spec.integer("seed", 0, {0, INT64_MAX}));
  const std::int64_t train = spec.integer("per-class", 200, {1, 1'000'000});
  const std::int64_t test = spec.integer("test-per-class", 50, {0, 1'000'000});
  set.systems.resize(static_cast<std::size_t>(set.classes));
  parallel_for(set.classes, [&](std::int64_t c) {
    set.systems[static_cast<std::size_t>(c)] = fractal_class(set.seed, static_cast<std::uint32_t>(c));
  });

  Dataset data;
  data.train = draw_split(set, train, 0, options.device);
  if (test > 0) data.test = draw_split(set, test, kFirstTestInstance, options.device);
  for (std::int64_t c = 0; c < set.classes; ++c) data.class_names.push_back("fractal " + std::to_string(c));
  return data;
}

}  // namespace nagare::ssl
