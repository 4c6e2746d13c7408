#pragma once
// Supervised contrastive loss (SupCon, L_out): a row must pick out all others of its class, each on its own.
//
//   s_ik = z_i . z_k / T, i = k left out;  P(i) = the other rows of i's class
//   L    = (T / T0) (1/M) sum_i (1/|P(i)|) sum_{k in P(i)} [ ln sum_{a != i} exp s_ia - s_ik ];  a row alone in its class counts
//          as 0
//   G_ik = (T / T0) (1/M) (p_ik - [k in P(i)] / |P(i)|),   dL/dz_i = (1/T) sum_k (G_ik + G_ki) z_k
//
// z       (M, D), f32 or bf16 (computed in f32), all views of all images; rows are L2-normalised first
// labels  classes i64 (M), any values
// T, T0   temperature and base temperature; the published program has T0 = 0.07 whatever T is
// range   0 upwards
// cost    M^2 D multiply-adds forward, twice that backward (the CPU: half); memory O(M D), similarities are not stored
// errors  std::invalid_argument with shapes and temperatures
// source  Khosla et al., NeurIPS 2020, eq. 2
#include "ssl/core/batch.h"

namespace nagare::ssl {

struct SupCon {
  float temperature = 0.1F;
  float base_temperature = 0.07F;
};

Tensor supcon_loss(const Tensor& z, const SupervisedLabels& labels, const SupCon& options);

}  // namespace nagare::ssl
