#pragma once
// EMP-SSL with a contrastive term in place of the similarity: patches are drawn to their image's mean and
// pushed away from the other images.
//
// patch form (the method's formula)
//   cont = (1/(n b)) sum_ij -ln [ exp(a^j . z_i^j / T) / sum_{k=1..n} sum_{l != j} exp(a^j . z_k^l / T) ]
//   a^j  = zbar^j = (1/n) sum_i z_i^j, optionally normalised (zbar^j / |zbar^j|) and optionally detached
//   The denominator holds all patches of all other images and no positive, so the value may be negative.
//   d cont / dz_i^j = (1/(b T)) [ (1/n) (-2 zbar^j + mu^j) + W_(i,j) ]   neither normalised nor detached;
//   p^j = softmax of image j's masked row of a Z_all^T / T, mu^j = p^j Z_all, W = P^T zbar
//
// mean form ("MCC", the published program's)
//   cont = (1/(n b)) sum_ij -ln [ exp(cos(z_i^j, zbar^j) / T) / sum_l exp(cos(z_i^j, zbar^l) / T) ]
//   The positive is in the denominator: cont >= 0, near ln b at chance.
//
//   L    = tcr_weight * tcr + contrastive_weight * cont
//   tcr  = -(1/n) sum_i 1/2 logdet(I + alpha Z_i Z_i^T), see emp_ssl.h
//
// z       (n, b, d), f32 or bf16 (computed in f32), patch-major, unit rows; patch form: b >= 2
// cost    n b^2 d multiply-adds forward, four times that backward; memory O(n b d), similarities are not stored
// errors  std::invalid_argument with shape and temperature
// source  mean form: Imai et al., ACCV 2024; patch form: the same work's formula
#include "engine/tensor/tensor.h"
#include "ssl/losses/emp_ssl.h"

namespace nagare::ssl {

enum class EmpContrast : std::uint8_t { patches, means };

struct EmpContrastive {
  EmpContrast form = EmpContrast::means;
  float contrastive_weight = 50.0F;
  float tcr_weight = 0.1F;
  float temperature = 0.07F;    // T > 0
  bool detach_mean = false;     // no gradient through the anchor; patch form
  bool normalize_mean = false;  // unit anchors; patch form (the mean form always has them)
  CodingRate rate = {};
};

// cont alone.
Tensor emp_contrast(const Tensor& z, const EmpContrastive& options);
EmpLoss emp_contrastive_loss(const Tensor& z, const EmpContrastive& options);

}  // namespace nagare::ssl
