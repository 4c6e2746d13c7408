#pragma once
// The distance of the cross-correlation of two views from the identity (kernels/cross_correlation.h), its gradients made
// while it is, for those views only that the tape follows -> (), f32.
//
// x, y    (B, D) of the same kind, f32 or bf16, B >= 2, D >= 1
// errors  std::invalid_argument with shapes and types, and what the kernel refuses
#include "engine/tensor/tensor.h"

namespace nagare {

struct CrossCorrelationLoss {
  float lambda = 0.0051F;  // weight of what is off the diagonal, >= 0
  float weight = 1.0F;     // of the whole
  float epsilon = 1e-5F;   // added to the variances, >= 0
  bool unbiased = false;   // variances over B - 1
};

Tensor cross_correlation_loss(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& options = {});

// The matrix itself, (D, D) f32, without history.
Tensor cross_correlation(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& options = {});

}  // namespace nagare
