#pragma once
// SCALE: which arriving images are alike is taken from the features; alike ones are pulled together, and the relations among all
// rows stay what an older network says.
//
//   similarity   P = mean over the 4 pairs of views (v, w) of softmax over columns of -(2 - 2 f_v f_w^T) / T, an image with itself
//                pushed 1000 away;  S = (P + P^T) / 2
//   alike        i and j are positives if i = j or S_ij > m + kappa (M - m), m and M the mean and the largest S_ij, i != j, of the
//                arriving images
//   contrast     mean over the arriving rows r of both views of  ln sum_{k != r} exp s_rk - mean_{p in P(r)} s_rp, s = cos / T;
//                P(r): the rows of r's positives in both views, but r; the sum runs over all rows, remembered ones too
//   relations    mean over rows of the cross-entropy from the old row-softmax of cosines (T_old) to the new one (T_new), no row
//                with itself; the old side is a constant
//
// rows     two views below each other, (2 n, D): f32 or bf16, computed in f32; the arriving images come first in each view
// errors   std::invalid_argument with the shapes
// source   Yu et al., CLVision 2023, and the re-implementations of its loss; taking m and M off the diagonal is ours
#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

// positive[i][j] for the first `arrived` of n images; features (2 n, F). arrived in [1, n].
std::vector<std::vector<bool>> scale_positives(const Tensor& features, std::int64_t arrived,
                                               float temperature, float kappa);
// z (2 n, D); positives of the first positives.size() images.
Tensor scale_contrast_loss(const Tensor& z, const std::vector<std::vector<bool>>& positives,
                           float temperature);

// Rows (n, D), n >= 2.
struct RelatedRows {
  Tensor rows;
  float temperature = 0.1F;
};
Tensor scale_relation_loss(const RelatedRows& now, const RelatedRows& past);

}  // namespace nagare::ssl
