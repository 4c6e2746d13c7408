#pragma once
// Invariance, variance and covariance of two views (kernels/variance_covariance.h), the gradients made while the terms
// are, for those views only that the tape follows.
//
// x, y    (B, D) of the same kind, f32 or bf16, B >= 2 (1 for the invariance alone), D >= 1
// errors  std::invalid_argument with shapes and types, and what the kernel refuses
#include "engine/tensor/tensor.h"

namespace nagare {

struct VarianceCovarianceLoss {
  float invariance_weight = 25.0F;
  float variance_weight = 12.5F;  // of the sum of both views' terms
  float covariance_weight = 1.0F;
  float epsilon = 1e-4F;  // added to the variances, > 0
};

// Scalars, f32. The terms carry no history; a term whose weight is 0 is 0.
struct VarianceCovarianceTerms {
  Tensor loss;
  Tensor invariance;
  Tensor variance;    // of both views
  Tensor covariance;  // of both views
};

VarianceCovarianceTerms variance_covariance_loss(const Tensor& x, const Tensor& y,
                                                 const VarianceCovarianceLoss& options = {});

}  // namespace nagare
