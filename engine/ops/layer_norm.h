#pragma once
#include "engine/tensor/tensor.h"

namespace nagare {

// Layer normalisation over the last axis: x (..., C) f32 or bf16, gamma and beta f32 (C) (kernels/layer_norm.h).
Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float epsilon);

}  // namespace nagare
