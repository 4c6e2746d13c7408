#pragma once
// InfoNCE against keys from elsewhere: a queue (MoCo v1, v2), the batch of another network or bank (MoCo v3, NNCLR), or both
// directions of a distillation (CaSSLe). s(a, b) = a^ . b^ / T, a^ = a / max(|a|, 1e-12); queue rows are unit rows already.
//
//   queue_info_nce   (1/B) sum_i [ ln ( exp s(q_i, k_i) + sum_m exp s(q_i, Q_m) ) - s(q_i, k_i) ]
//                    gradient to q alone: (1/(B T)) [ (p_i0 - 1) k^_i + sum_m p_im Q_m ], through the unit row
//   paired_info_nce  (1/B) sum_i [ ln sum_j exp s(a_i, b_j) - s(a_i, b_i) ]: row i belongs to row i; gradient to a and b
//   moco_v3_loss     2 T (paired_info_nce(q1, sg k2) + paired_info_nce(q2, sg k1)): its gradient does not depend on T's size
//
// q, k, a, b  (B, D), f32 or bf16 (computed in f32);  queue  (K, D) f32 or bf16, K >= 1
// T           temperature; stable down to 0.01
// range       0 upwards; at chance ln(K + 1), ln B and 4 T ln B. B = 1 makes the latter two exactly 0, gradients too
// cost        B (K + 1) D, or B^2 D, multiply-adds forward, and once or twice that twice over backward; memory O((B + K) D),
//             similarities are not stored
// errors      std::invalid_argument with shapes and temperature
// source      He et al., CVPR 2020, eq. 1; Chen, Xie and He, ICCV 2021, algorithm 1; Dwibedi et al., ICCV 2021, eq. 2
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

Tensor queue_info_nce(const Tensor& q, const Tensor& k, const Tensor& queue, float temperature);
Tensor paired_info_nce(const Tensor& a, const Tensor& b, float temperature);

// One view as its query network and its momentum network see it.
struct QueryAndKey {
  Tensor query;
  Tensor key;
};
Tensor moco_v3_loss(const QueryAndKey& first, const QueryAndKey& second, float temperature);

}  // namespace nagare::ssl
