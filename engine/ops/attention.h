#pragma once
#include "engine/tensor/tensor.h"

namespace nagare {

// softmax(q k^T / sqrt(d)) v, head by head: q, k, v (B, heads, T, d), f32 or bf16, all of one type; T may differ
// between q and k, v. The softmax is computed in f32. Source: Vaswani et al., NIPS 2017, equation 1.
// Errors: std::invalid_argument with the three shapes.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v);

}  // namespace nagare
