#pragma once
// Barlow Twins: the dimensions of two views agree each with itself and with no other.
//
//   a = (x - mean) / sqrt(var + epsilon) per dimension over the batch, b from y alike;  C = a^T b / B   (D, D)
//   L = scale ( sum_i (C_ii - 1)^2 + lambda sum_{i != j} C_ij^2 )
//   gradients: kernels/cross_correlation.h
//
// x, y    (B, D) of the same kind, f32 or bf16 (computed in f32), neither normalised nor centred; B >= 2
// range   about scale * D while the views are uncorrelated or collapsed, 0 at best
// forms   published: biased variance, epsilon 1e-5, lambda 0.0051, scale 1; solo-learn: lambda 0.005, scale 0.1 (0.024 is
//         its default); the continual-learning code of Madaan et al.: unbiased variance, epsilon 0, lambda 0.005
// errors  std::invalid_argument with the shapes
// source  Zbontar et al., ICML 2021, eq. 1-2
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct Barlow {
  float lambda = 0.0051F;
  float scale = 1.0F;
  float epsilon = 1e-5F;
  bool unbiased = false;
};

Tensor barlow_loss(const Tensor& x, const Tensor& y, const Barlow& options = {});

}  // namespace nagare::ssl
