#pragma once
// Matrix product over the last two axes, batched over equal leading axes.
//
// a       (..., m, k), with transpose_a (..., k, m); f32 or bf16, both the same
// b       (..., k, n), with transpose_b (..., n, k)
// returns (..., m, n) in the type of a; sums in f32
// errors  std::invalid_argument naming both shapes
#include "engine/tensor/tensor.h"

namespace nagare {

struct Matmul {
  bool transpose_a = false;
  bool transpose_b = false;
};

Tensor matmul(const Tensor& a, const Tensor& b, const Matmul& options = {});

}  // namespace nagare
