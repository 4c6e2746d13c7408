#pragma once
#include "engine/tensor/tensor.h"

namespace nagare {

// Rows of the last axis divided by max(their Euclidean length, epsilon); f32 or bf16 (kernels/l2_normalize.h).
Tensor l2_normalize(const Tensor& x, float epsilon = 1e-12F);

}  // namespace nagare
