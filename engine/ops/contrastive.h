#pragma once
// Softmax-contrastive losses, row by row (kernels/contrastive.h has the formulas). The similarities are never stored.
//
// q, k, z, own  (M, D), (N, D), (M, D), (M, D); one type, f32 or bf16
// returns       the loss of every row, f32 (M), to be averaged or weighted. Gradients reach q, k and z, not own
// positives     columns of the row's identity: label, or index modulo the period. Of one such column alone `averaged` and
//               `summed` say the same, and `averaged` is faster
// memory        O((M + N) D), forward and backward
// errors        std::invalid_argument naming shapes, types and temperature
#include "engine/tensor/tensor.h"
#include "kernels/contrastive.h"

namespace nagare {

using kernels::ContrastivePositives;

struct Contrast {
  float temperature = 0.1F;
  ContrastivePositives positives = ContrastivePositives::averaged;
  std::int64_t row_period = 0;
  std::int64_t column_period = 0;
  Tensor row_labels = {};  // i64 (M) and (N), in place of the periods
  Tensor column_labels = {};
};

// Rows of q against the rows of k.
Tensor contrast_rows(const Tensor& q, const Tensor& k, const Contrast& options);
// Rows of z against each other, none against itself; the row's options are the columns' too.
Tensor contrast_among(const Tensor& z, const Contrast& options);
// Row i of q against row i of `own`, its positive, and all rows of k, its negatives.
Tensor contrast_with_own(const Tensor& q, const Tensor& own, const Tensor& k, float temperature);

}  // namespace nagare
