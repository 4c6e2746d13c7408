#pragma once
// Resize of NHWC images, f32 or bf16: PyTorch's interpolate with align_corners = False (formulas: kernels/resize_taps.h).
//
//   resize(x, {.height = 16, .width = 16, .interpolation = Interpolation::bicubic, .antialias = true})
//
// The gradient is the transposed map. Errors: std::invalid_argument with shape and sizes.
#include "engine/tensor/tensor.h"
#include "kernels/resize_taps.h"

namespace nagare {

struct Resize {
  std::int64_t height;
  std::int64_t width;
  Interpolation interpolation = Interpolation::bilinear;
  bool antialias = false;
};

// (N, H, W, C) -> (N, height, width, C)
Tensor resize(const Tensor& x, const Resize& to);

}  // namespace nagare
