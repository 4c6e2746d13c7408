#pragma once
// Sums over every axis but the last, in f32: the gradient of a bias. Not differentiable; for the backward of
// other ops.
#include "engine/tensor/tensor.h"

namespace nagare {

// x (..., C) f32 or bf16; returns (C) f32.
Tensor column_sums(const Tensor& x);

}  // namespace nagare
