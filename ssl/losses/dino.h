#pragma once
// DINO: every view of the student must give the distribution that the teacher gives another, global, view.
//
//   q_i   = softmax((t_i - c) / Tt) for the two global views, a constant: centring by c and sharpening by Tt keep it from
//           being uniform and from being one entry
//   L     = 1/(2 (V - 1)) sum_{i < 2} sum_{v != i} mean_b [ -sum_k q_i(b,k) log softmax(s_v(b) / Ts)_k ]
//   dL/ds = 1/(2 (V - 1) B Ts) (n_v softmax(s_v / Ts) - sum_{i != v} q_i),  n_v = 1 for global views, 2 for local ones
//   centre, after the loss: c <- m c + (1 - m) mean of all teacher rows, by update_center() (engine/ops)
//
// student  (V * B, K) view-major, global views first;  teacher  (2 * B, K);  both f32 or both bf16;  center  f32 (K)
// range    0 upwards; ln K when student or teacher is uniform
// errors   std::invalid_argument with shapes, views and temperatures
// source   Caron et al., ICCV 2021, eq. 1-4, and the published code
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct Dino {
  static constexpr std::int64_t kGlobalViews = 2;

  std::int64_t views = 2;             // V
  float student_temperature = 0.1F;   // Ts
  float teacher_temperature = 0.04F;  // Tt
};

Tensor dino_loss(const Tensor& student, const Tensor& teacher, const Tensor& center, const Dino& options);

}  // namespace nagare::ssl
