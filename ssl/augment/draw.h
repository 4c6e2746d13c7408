#pragma once
// Draws the parameters of one view from its recipe: always on the host, so every device gets the same bits.
//
//   crop     up to 10 tries: area = H W U(scale), w / h = exp(U(ln ratio)); w, h rounded half to even; taken when
//            it fits, with a uniform position. Then the fallback: the largest centred box whose ratio is in range
//   jitter   with its probability: the four factors and a uniform order; a strength of 0 leaves its part out
//   others   one draw per step, plus sigma for the blur
//
// The draws of all steps but the crop are made whether they are used or not, so that changing one probability
// leaves every other step of every view as it was.
//
// source  torchvision, transforms.RandomResizedCrop, ColorJitter, GaussianBlur, RandomSolarize, RandomCrop
#include <cstdint>

#include "kernels/augment.h"
#include "kernels/philox.h"
#include "ssl/augment/view_plan.h"

namespace nagare::ssl {

struct ImageSize {
  std::int64_t height;
  std::int64_t width;
};

struct CropBox {
  std::int32_t top;
  std::int32_t left;
  std::int32_t height;
  std::int32_t width;
};

CropBox draw_crop(const ViewRecipe& recipe, ImageSize image, Philox& random);
// The box when no try fitted: torchvision's, centred by integer division.
CropBox fallback_crop(const ViewRecipe& recipe, ImageSize image);
// `image` of the result is left 0. Purpose and key: RandomKey{seed, Purpose::augment, step, image id, view}.
kernels::AugmentParameters draw_parameters(const ViewRecipe& recipe, ImageSize image, const RandomKey& key);

}  // namespace nagare::ssl
