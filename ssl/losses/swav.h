#pragma once
// SwAV: every view's prototype scores must predict the code that another view of the same image was assigned.
//
//   q_a   = Sinkhorn-Knopp(scores_a / e) for the first A views, with the queue's scores below them where there is one
//   L     = 1/(A (V - 1)) sum_{a < A} sum_{v != a} mean_b [ -sum_k q_a(b,k) log softmax(scores_v(b) / T)_k ]
//   dL/ds = 1/(A (V - 1) B T) (n_v softmax(s_v / T) - sum_{a != v} q_a),  n_v = A - [v < A];  the codes are constants
//
// scores   (V * B, K) view-major, f32 or bf16: products of unit embeddings with unit prototypes
// queue    undefined, or (A * N, K): scores of earlier embeddings of the assigned views, under the current prototypes
// codes    (A * B, K) f32, rows sum to 1
// range    0 upwards, ln K at chance
// errors   std::invalid_argument with the shapes, views, epsilon and temperature
// source   Caron et al., NeurIPS 2020, eq. 2-4 and the published code (queue, order of the normalisations)
#include "engine/ops/sinkhorn.h"
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct Swav {
  std::int64_t views = 2;
  std::int64_t assigned_views = 2;  // A
  float temperature = 0.1F;         // T
  float epsilon = 0.05F;            // e
  std::int64_t iterations = 3;
};

struct SwavLoss {
  Tensor loss;
  Tensor codes;
};

SwavLoss swav_loss(const Tensor& scores, const Swav& options, const Tensor& queue = Tensor());

}  // namespace nagare::ssl
