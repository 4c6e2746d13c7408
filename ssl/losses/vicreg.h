#pragma once
// VICReg: two views agree, each dimension keeps its variance over the batch, and no two dimensions say the same.
//
//   s    = mean over B D entries of (x - y)^2
//   v(x) = (1/D) sum_j max(0, 1 - sqrt(var_j + epsilon)),  c(x) = (1/D) sum_{i != j} Cov_ij^2, both over B - 1
//   L    = similarity s + deviation (v(x) + v(y)) [/ 2 where halved] + covariance (c(x) + c(y))
//   gradients: kernels/variance_covariance.h
//
// x, y    (B, D) of the same kind, f32 or bf16 (computed in f32), neither normalised nor centred; B >= 2
// range   deviation (1 - sqrt(epsilon)) = 24.75 if everything has collapsed (twice that where not halved)
// forms   published: halved; solo-learn and CaSSLe: not
// errors  std::invalid_argument with the shapes
// source  Bardes, Ponce and LeCun, ICLR 2022, eq. 1-6
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct VicReg {
  float similarity_weight = 25.0F;
  float deviation_weight = 25.0F;
  float covariance_weight = 1.0F;
  float epsilon = 1e-4F;
  bool halved = true;  // the deviation term is the mean of both views', not their sum
};

// The terms: s, v(x) + v(y) as weighted (halved or not), c(x) + c(y), for the log.
struct VicRegLoss {
  Tensor loss;
  Tensor similarity;
  Tensor deviation;
  Tensor covariance;
};

VicRegLoss vicreg_loss(const Tensor& x, const Tensor& y, const VicReg& options = {});

}  // namespace nagare::ssl
