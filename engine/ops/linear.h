#pragma once
// y = x weight^T + bias, on the last axis.
//
// x       (..., in) f32 or bf16: decides the compute type
// weight  (out, in) f32;  bias  (out) f32, or undefined
// returns (..., out) in the type of x
// errors  std::invalid_argument naming both shapes
#include "engine/tensor/tensor.h"

namespace nagare {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace nagare
