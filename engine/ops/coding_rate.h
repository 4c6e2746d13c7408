#pragma once
// Rate of a Gaussian code for each of n feature matrices: R_i = 1/2 log det(I + alpha z_i z_i^T)
//
// z        (n, b, d) f32 or bf16, b samples of dimension d each
// alpha    positive, finite (d / (b eps^2) in EMP-SSL)
// returns  (n) f32; gradient alpha (I + alpha z_i z_i^T)^-1 z_i, in the type of z
// errors   std::invalid_argument naming shape and alpha. Features that make the matrix indefinite or not finite:
//          Diverged naming the matrix on the CPU; NaN in R_i and its gradient on CUDA, where looking would stall the
//          device
// cost     and accuracy: kernels/coding_rate.h; on CUDA, for min(b, d) > 238, engine/vendor/large_coding_rate.h
// source   Ma et al., IEEE TPAMI 2007, eq. 10; Tong et al., arXiv:2304.03977, eq. 2
#include "engine/tensor/tensor.h"

namespace nagare {

Tensor coding_rate(const Tensor& z, float alpha);

}  // namespace nagare
