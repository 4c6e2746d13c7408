#pragma once
// Softmax cross-entropy with class labels, for the supervised baseline.
//
//   L     = (1/B) sum_i [ ln sum_c exp l_ic - sum_c q_ic l_ic ]
//   q     = (1 - s) onehot(y) + s / C,  s = label_smoothing
//   dL/dl = (softmax(l) - q) / B
//
// logits  (B, C), f32 or bf16 (computed in f32); classes (B) i64 in [0, C)
// errors  std::invalid_argument with the shapes
#include "ssl/core/batch.h"

namespace nagare::ssl {

Tensor supervised_cross_entropy(const Tensor& logits, const SupervisedLabels& labels,
                                float label_smoothing = 0.0F);

}  // namespace nagare::ssl
