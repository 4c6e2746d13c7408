#pragma once
// NT-Xent (SimCLR): among all other views of the batch, each view must pick out those of its own image.
//
//   s_ik = z_i . z_k / T over all pairs of the M = V B rows, i = k left out
//   P(i) = the V - 1 other views of i's image
//   L    = (1/M) sum_i [ ln sum_{k != i} exp s_ik - ln sum_{k in P(i)} exp s_ik ]
//   V = 2:  dL/dz_i = (1/(M T)) [ sum_{k != i} (p_ik + p_ki) z_k - 2 z_P(i) ]
//           p_ik = exp(s_ik) / sum_{l != i} exp s_il
//
// z       (V * B, D) view-major, f32 or bf16 (computed in f32); rows are L2-normalised first if `normalize`
// T       temperature; stable down to 0.01, as the largest similarity of a row is subtracted
// range   0 upwards, ln(M - 1) at chance; exactly 0, with zero gradients, for B = 1
// NaN     in a row of z makes the loss NaN
// cost    M^2 D multiply-adds forward, twice that backward (the CPU: half); memory O(M D), similarities are not stored
// errors  std::invalid_argument with shape, views and temperature
// source  Chen et al., ICML 2020, eq. 1; V > 2: the positives are summed inside the logarithm
#include <cstdint>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct NtXent {
  std::int64_t views = 2;  // V >= 2
  float temperature = 0.5F;
  bool normalize = true;
};

Tensor ntxent_loss(const Tensor& z, const NtXent& options);

}  // namespace nagare::ssl
