#pragma once
// Mixup: a convex combination of two sets of views, and the share that weighs it.
//
//   mixed = share a + (1 - share) b,   share ~ Beta(alpha, alpha)
//
// source  Zhang et al., ICLR 2018; Marsaglia and Tsang, ACM TOMS 2000 (gamma variates, of whose ratio Beta is made)
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare::ssl {

// alpha > 0; std::invalid_argument otherwise. In [0, 1].
float draw_mixing_share(double alpha, const RandomKey& key);

// Of the same shape and type (f32 or bf16); differentiable. share 1 gives a, 0 gives b, but for what is not finite.
Tensor mixup(const Tensor& a, const Tensor& b, float share);

}  // namespace nagare::ssl
