#pragma once
// CCL's self-supervised distillation: which exemplars an image resembles stays what the teacher says.
//
//   p_b = softmax over exemplars j of cos(zt_b, et_j) / Tt,  q_b the same of the student with Ts
//   L   = mean over b of KL(p_b || q_b)
//   dL/ds_bj = (q_bj - p_bj) / (B Ts), s the student's cosines; through both of its sides. The teacher is a constant
//
// student, teacher  queries (B, D) and exemplars (m, D), f32 or bf16 (computed in f32); rows are L2-normalised first
// range             0 upwards; 0 where the two distributions are equal
// errors            std::invalid_argument with the shapes
// source            Lin et al., ICME 2022 (continual contrastive learning), and the published program
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct ResemblingRows {
  Tensor queries;
  Tensor exemplars;
  float temperature = 0.07F;
};

Tensor ccl_distillation_loss(const ResemblingRows& student, const ResemblingRows& teacher);

}  // namespace nagare::ssl
