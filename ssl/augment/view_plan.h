#pragma once
// What augmentation a method wants: how many views of each image, and the distribution of each step.
//
// Steps run in this order (torchvision's): crop and resize, flip, colour jitter (its four parts in random order),
// grayscale, blur, solarise, normalise. A probability of 0 switches a step off.
//
// source  PyTorch/torchvision transforms; the methods' pipelines: recipes.h
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/resize_taps.h"

namespace nagare::ssl {

using nagare::Interpolation;

// The distribution of one view.
struct ViewRecipe {
  std::int64_t size = 32;       // output height and width, pixels
  float crop_scale_min = 0.2F;  // crop area, fraction of the image's
  float crop_scale_max = 1.0F;
  float crop_ratio_min = 3.0F / 4.0F;  // crop width / height
  float crop_ratio_max = 4.0F / 3.0F;
  // > 0: instead of the above, a size x size box of the image with this many zeros around it.
  std::int64_t crop_padding = 0;
  Interpolation interpolation = Interpolation::bilinear;
  bool antialias = true;  // as Pillow does; torchvision's tensor path may not
  float flip_probability = 0.5F;
  float jitter_probability = 0.8F;
  float brightness = 0.4F;  // factors drawn from [max(0, 1 - x), 1 + x]
  float contrast = 0.4F;
  float saturation = 0.4F;
  float hue = 0.1F;  // shift drawn from [-x, x], in turns; x <= 0.5
  float grayscale_probability = 0.2F;
  float blur_probability = 0.0F;
  float blur_sigma_min = 0.1F;  // pixels
  float blur_sigma_max = 2.0F;
  std::int64_t blur_kernel = 0;  // taps, odd; 0: 2 * floor(size / 20) + 1, at least 3
  float solarise_probability = 0.0F;
  float solarise_threshold = 0.5F;  // of the [0, 1] range
  std::array<float, 3> mean = {0.4914F, 0.4822F, 0.4465F};
  std::array<float, 3> std = {0.2470F, 0.2435F, 0.2616F};

  // BadConfig naming the field that is out of range.
  void check() const;
  // The blur's taps: blur_kernel, or its default for `size`.
  std::int64_t blur_taps() const;
};

struct ViewPlan {
  std::vector<ViewRecipe> views;  // one per view; all of one `size`

  // BadConfig: no views, sizes that differ, or what ViewRecipe::check() finds, with the view's number.
  void check() const;
};

}  // namespace nagare::ssl
