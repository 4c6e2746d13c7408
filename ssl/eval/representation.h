#pragma once
// What features look like, without labels: collapse, spread, similarity of two networks. In double.
//
// x, y, z  f32 (N, D) rows of features, any device; x and y of positive pairs row by row
//
//   collapse       rows normalised: std = mean over dimensions of the unbiased deviation over the rows (about
//                  1/sqrt(D) when healthy, 0 after a collapse); mean_norm = length of the mean row
//   alignment      rows normalised: mean |x_i - y_i|^alpha                          lower is better
//   uniformity     rows normalised: ln mean_{i<j} exp(-t |x_i - x_j|^2)             lower is better
//   rank           p_k = sigma_k / sum sigma + 1e-7,  exp(-sum_k p_k ln p_k); sigma the singular values of z,
//                  not centred. NaN for features that are all 0
//   linear_cka     columns centred: |X^T Y|_F^2 / (|X^T X|_F |Y^T Y|_F), in [0, 1]; NaN for constant features
//
// A row of zeros has no direction: normalised, it stays 0.
//
// errors  std::invalid_argument with the shapes; fewer than 2 rows for collapse, uniformity and linear_cka
// source  Wang and Isola, ICML 2020 (alignment, uniformity); Garrido et al., ICML 2023 (RankMe); Kornblith et
//         al., ICML 2019 (CKA)
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct Collapse {
  double std = 0.0;
  double mean_norm = 0.0;
};

struct EffectiveRank {
  std::vector<double> singular_values;  // falling
  double rank = 0.0;
};

Collapse collapse(const Tensor& z);
double alignment(const Tensor& x, const Tensor& y, double alpha = 2.0);
double uniformity(const Tensor& x, double t = 2.0);
EffectiveRank effective_rank(const Tensor& z);
double linear_cka(const Tensor& x, const Tensor& y);

}  // namespace nagare::ssl
