#pragma once
// Batch normalisation over every axis but the last, fused with a residual sum and ReLU; see kernels/batch_norm.h.
//
//   y = relu?((x - mean) / sqrt(var + epsilon) * gamma + beta + residual?)
//
// x, residual  (..., C) f32 or bf16, the same shape and type; residual may be undefined
// gamma, beta  (C) f32, or both undefined: 1 and 0
// running_*    (C) f32: updated in place in training (variance unbiased), the statistics used otherwise
// training     mean and biased variance of this batch; needs at least two values per channel
// errors       std::invalid_argument naming shapes and values
#include "engine/tensor/tensor.h"

namespace nagare {

struct BatchNormState {
  Tensor gamma;
  Tensor beta;
  Tensor running_mean;
  Tensor running_var;
};

struct BatchNorm {
  bool training = false;
  float momentum = 0.1F;  // the new batch's share of the running statistics
  float epsilon = 1e-5F;
  bool relu = false;
};

Tensor batch_norm(const Tensor& x, const BatchNormState& state, const BatchNorm& options,
                  const Tensor& residual = {});

}  // namespace nagare
