#pragma once
// 2-D convolution (cross-correlation, zero padding) of an NHWC image batch; see engine/vendor/convolution.h.
//
// x       (N, H, W, C) f32 or bf16: decides the compute type
// weight  (O, kernel height, kernel width, C) f32
// bias    (O) f32, or undefined
// returns (N, (H + 2 padding - kernel) / stride + 1, likewise W, O) in the type of x
// errors  std::invalid_argument naming both shapes
#include "engine/tensor/tensor.h"

namespace nagare {

struct Conv2d {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
};

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2d& options);

}  // namespace nagare
