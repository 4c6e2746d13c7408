#include "ssl/augment/draw.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nagare::ssl {
namespace {

using kernels::ColourStep;

std::int64_t round_half_even(double x) { return std::llrint(x); }

std::int32_t draw_offset(std::int64_t room, Philox& random) {
  return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(room + 1)));
}

CropBox draw_padded_crop(const ViewRecipe& recipe, ImageSize image, Philox& random) {
  const auto size = static_cast<std::int32_t>(recipe.size);
  const auto padding = static_cast<std::int32_t>(recipe.crop_padding);
  const std::int32_t top = draw_offset(image.height + 2 * padding - size, random) - padding;
  return {top, draw_offset(image.width + 2 * padding - size, random) - padding, size, size};
}

void draw_jitter(const ViewRecipe& recipe, Philox& random, kernels::AugmentParameters& crop) {
  const bool jitters = random.uniform() < recipe.jitter_probability;
  const auto factor = [&](float strength) {
    return random.uniform(std::max(0.0F, 1.0F - strength), 1.0F + strength);
  };
  crop.brightness = factor(recipe.brightness);
  crop.contrast = factor(recipe.contrast);
  crop.saturation = factor(recipe.saturation);
  crop.hue = random.uniform(-recipe.hue, recipe.hue);
  ColourStep order[4] = {
      recipe.brightness > 0.0F ? ColourStep::brightness : ColourStep::none,
      recipe.contrast > 0.0F ? ColourStep::contrast : ColourStep::none,
      recipe.saturation > 0.0F ? ColourStep::saturation : ColourStep::none,
      recipe.hue > 0.0F ? ColourStep::hue : ColourStep::none,
  };
  for (std::uint32_t i = 3; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  if (jitters) std::copy_n(order, 4, crop.order);
}

}  // namespace

CropBox fallback_crop(const ViewRecipe& recipe, ImageSize image) {
  const double ratio = static_cast<double>(image.width) / static_cast<double>(image.height);
  std::int64_t width = image.width;
  std::int64_t height = image.height;
  if (ratio < recipe.crop_ratio_min) {
    height = round_half_even(static_cast<double>(width) / recipe.crop_ratio_min);
  } else if (ratio > recipe.crop_ratio_max) {
    width = round_half_even(static_cast<double>(height) * recipe.crop_ratio_max);
  }
  // Rounding 1 / ratio of a one-pixel side must not leave the image.
  height = std::clamp<std::int64_t>(height, 1, image.height);
  width = std::clamp<std::int64_t>(width, 1, image.width);
  return {static_cast<std::int32_t>((image.height - height) / 2),
          static_cast<std::int32_t>((image.width - width) / 2), static_cast<std::int32_t>(height),
          static_cast<std::int32_t>(width)};
}

CropBox draw_crop(const ViewRecipe& recipe, ImageSize image, Philox& random) {
  if (recipe.crop_padding > 0) return draw_padded_crop(recipe, image, random);
  const double area = static_cast<double>(image.height) * static_cast<double>(image.width);
  const double log_min = std::log(static_cast<double>(recipe.crop_ratio_min));
  const double log_max = std::log(static_cast<double>(recipe.crop_ratio_max));
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target =
        area * static_cast<double>(random.uniform(recipe.crop_scale_min, recipe.crop_scale_max));
    const double ratio = std::exp(log_min + (log_max - log_min) * static_cast<double>(random.uniform()));
    const std::int64_t width = round_half_even(std::sqrt(target * ratio));
    const std::int64_t height = round_half_even(std::sqrt(target / ratio));
    if (width < 1 || width > image.width || height < 1 || height > image.height) continue;
    const std::int32_t top = draw_offset(image.height - height, random);
    return {top, draw_offset(image.width - width, random), static_cast<std::int32_t>(height),
            static_cast<std::int32_t>(width)};
  }
  return fallback_crop(recipe, image);
}

kernels::AugmentParameters draw_parameters(const ViewRecipe& recipe, ImageSize image, const RandomKey& key) {
  Philox random(key);
  kernels::AugmentParameters crop;
  crop.flip = random.uniform() < recipe.flip_probability;
  draw_jitter(recipe, random, crop);
  crop.grayscale = random.uniform() < recipe.grayscale_probability;
  const bool blurs = random.uniform() < recipe.blur_probability;
  crop.blur_sigma = random.uniform(recipe.blur_sigma_min, recipe.blur_sigma_max);
  crop.blur_kernel = blurs ? static_cast<std::int32_t>(recipe.blur_taps()) : 0;
  if (random.uniform() < recipe.solarise_probability) crop.solarise_threshold = recipe.solarise_threshold;
  const CropBox box = draw_crop(recipe, image, random);
  crop.top = box.top;
  crop.left = box.left;
  crop.height = box.height;
  crop.width = box.width;
  crop.interpolation = recipe.interpolation;
  crop.antialias = recipe.antialias;
  crop.clip = recipe.interpolation == Interpolation::bicubic;
  std::copy_n(recipe.mean.data(), 3, crop.mean);
  std::copy_n(recipe.std.data(), 3, crop.std);
  return crop;
}

}  // namespace nagare::ssl
