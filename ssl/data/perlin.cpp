#include "ssl/data/perlin.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "ssl/data/drawn.h"

namespace nagare::ssl {
namespace {

// Draws for descriptions, apart from those of the gradients (views 0 to 5).
constexpr std::uint32_t kClassView = 0x80000000U;
constexpr std::uint32_t kInstanceView = 0x80000001U;

std::uint32_t fixed(double cells) {
  return static_cast<std::uint32_t>(std::llround(cells * (1 << kernels::kPerlinViewBits)));
}

void draw_images(const DrawnSet& set, const std::vector<PerlinClass>& classes, const DrawnPart& part,
                 const Tensor& images) {
  const std::int64_t count = images.shape()[0];
  std::vector<kernels::PerlinImage> described(static_cast<std::size_t>(count));
  parallel_for(count, [&](std::int64_t i) {
    described[static_cast<std::size_t>(i)] =
        perlin_instance(classes[part.class_of(i)], set.seed, part.class_of(i), part.instance_of(i), set.size);
  });
  const Tensor on_device =
      upload_descriptions(described.data(), described.size() * sizeof(kernels::PerlinImage), images.device());
  NAGARE_DISPATCH(images.device(), perlin({.count = count, .size = set.size},
                                          static_cast<const kernels::PerlinImage*>(on_device.raw()),
                                          images.data<std::uint8_t>(), images.stream()));
}

}  // namespace

PerlinClass perlin_class(std::uint64_t seed, std::uint32_t index) {
  Philox random({.seed = seed, .purpose = Purpose::perlin, .step = index, .view = kClassView});
  PerlinClass c{};
  // Neighbouring classes differ in how they sum and fold, whatever else is drawn.
  c.sum = static_cast<kernels::PerlinSum>(index % 3);
  c.fold = index / 3 % 2 == 1;
  c.octaves = 1 + static_cast<std::int32_t>(random.below(5));
  c.cells = 1.5 * std::exp2(static_cast<double>(random.uniform(0.0F, 2.5F)));  // 1.5 to 8.5
  c.stretch =
      std::exp2(std::max(static_cast<double>(random.uniform(-1.0F, 2.0F)), 0.0));  // a third are isotropic
  c.angle = 3.14159265 * static_cast<double>(random.uniform());
  c.persistence = static_cast<double>(random.uniform(0.35F, 0.75F));
  c.contrast = static_cast<double>(c.fold ? random.uniform(1.5F, 4.0F) : random.uniform(0.8F, 1.3F));
  return c;
}

kernels::PerlinImage perlin_instance(const PerlinClass& of, std::uint64_t seed, std::uint32_t index,
                                     std::uint32_t instance, std::int64_t size) {
  Philox random(
      {.seed = seed, .purpose = Purpose::perlin, .step = index, .sample = instance, .view = kInstanceView});
  const auto about = [&](double value, float share) {
    return value * static_cast<double>(random.uniform(1.0F - share, 1.0F + share));
  };
  kernels::PerlinImage image{};
  image.sum = of.sum;
  image.fold = of.fold;
  image.octaves = of.octaves;
  image.period = kernels::kPerlinPeriod;
  image.seed = seed;
  image.step = index;
  image.sample = instance;

  // Across the lines `cells` a picture, along them fewer; a shift by whole patterns and fractions.
  const double across = about(of.cells, 0.1F) / static_cast<double>(size);
  const double along = across / about(of.stretch, 0.1F);
  const double angle = of.angle + static_cast<double>(random.uniform(-0.25F, 0.25F));
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  const double view[6] = {along * c,   along * s,  static_cast<double>(random.uniform(0.0F, 32.0F)),
                          -across * s, across * c, static_cast<double>(random.uniform(0.0F, 32.0F))};
  std::transform(view, view + 6, image.view, fixed);

  double amplitude = 1.0;
  double total = 0.0;
  for (int o = 0; o < of.octaves; ++o) {
    image.amplitude[o] = static_cast<std::int32_t>(amplitude * (1 << kernels::kPerlinBits));
    total += amplitude;
    amplitude *= of.persistence;
  }
  // Most noise lies within +-1 of a possible +-1.6, its size is about 0.45; contrast 1 spreads that over the shades.
  const bool whole = of.sum == kernels::PerlinSum::sum;
  const double gain = about(of.contrast, 0.1F) * (whole ? 110.0 : 200.0) / total;  // shades for a value of 1
  const double middle = whole ? 0.0 : (of.sum == kernels::PerlinSum::ridged ? 0.55 : 0.45) * total;
  image.gain = static_cast<std::int32_t>(std::lround(gain * 16.0));
  image.offset = static_cast<std::int32_t>(std::lround(128.0 - gain * middle));

  draw_tinted_grey(random, 0, 80, image.low);
  draw_tinted_grey(random, 175, 255, image.high);
  return image;
}

Dataset load_perlin(const DataSpec& spec, const DataOptions& options) {
  const DrawnSet set = read_drawn(spec);
  std::vector<PerlinClass> classes;
  for (std::int64_t c = 0; c < set.classes; ++c) {
    classes.push_back(perlin_class(set.seed, static_cast<std::uint32_t>(c)));
  }
  constexpr std::int64_t kPart = 4096;  // descriptions at a time
  return draw_dataset(set, "noise", kPart, options.device, [&](const DrawnPart& part, const Tensor& images) {
    draw_images(set, classes, part, images);
  });
}

}  // namespace nagare::ssl
