#pragma once
// EMP-SSL: the n patches of an image agree with their mean, while every batch of patches spreads over the space.
//
//   zbar^j = (1/n) sum_i z_i^j                   mean over the patches of image j; gradient flows through it
//   R_i    = 1/2 logdet(I + alpha Z_i Z_i^T)     coding rate of patch i over the batch, Z_i (b, d)
//   alpha  = d / (b epsilon), as the published code; epsilon_squared: d / (b epsilon^2), as the paper prints
//   sim    = (1/(n b)) sum_ij cos(z_i^j, zbar^j),   tcr = -(1/n) sum_i R_i
//   L      = -similarity_weight * sim + tcr_weight * tcr
//   unit z:  d sim / dz_i^j = (1/(n b)) zbar^j / |zbar^j|
//            d tcr / dZ_i   = -(alpha/n) (I + alpha Z_i Z_i^T)^-1 Z_i
//
// z       (n, b, d), f32 or bf16 (computed in f32), patch-major; unit rows when the method calls it
// range   sim in [-1, 1]; tcr: -1/2 ln(1 + d/epsilon) when all z are equal, more negative as they spread
// cost    n b^2 d multiply-adds forward, twice that backward; n b^3/3 for the factorisations
// errors  std::invalid_argument with the shape; non-finite z as coding_rate says
// source  Tong et al., arXiv 2304.03977, eq. 4-7; coding rate: Yu et al., NeurIPS 2020
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct CodingRate {
  float epsilon = 0.2F;          // distortion, > 0
  bool epsilon_squared = false;  // whether the formula squares it
  // alpha for a batch of b rows of width d
  float alpha(std::int64_t batch, std::int64_t dim) const;
};

struct EmpSsl {
  float similarity_weight = 200.0F;
  float tcr_weight = 1.0F;
  CodingRate rate = {};
};

// A loss and the parts it is made of; the parts are for the log and carry no history.
struct EmpLoss {
  Tensor loss;        // scalar f32
  Tensor invariance;  // sim, or the contrastive part cont: scalar
  Tensor tcr;         // scalar
};

// tcr alone: minus the mean coding rate.
Tensor tcr_loss(const Tensor& z, const CodingRate& rate);
// sim alone.
Tensor patch_similarity(const Tensor& z);
EmpLoss emp_ssl_loss(const Tensor& z, const EmpSsl& options);

}  // namespace nagare::ssl
