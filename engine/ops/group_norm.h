#pragma once
// Group normalisation: every sample by itself, its channels in G groups of as many, all positions of a group together.
//
//   m, v   mean and biased variance of x[n, p, c] over positions p and the channels c of a group
//   y      = gamma_c (x - m) / sqrt(v + epsilon) + beta_c
//
// x        (N, ..., C), channels last, f32 or bf16;  gamma, beta  (C) f32
// returns  the shape and type of x; nothing depends on the other samples or on whether the network trains
// cost     a layer norm (kernels/layer_norm.h) between two transpositions, then scale and shift
// errors   std::invalid_argument with the shapes and the groups
// source   Wu and He, ECCV 2018
#include <cstdint>

#include "engine/tensor/tensor.h"

namespace nagare {

struct GroupNorm {
  std::int64_t groups = 32;  // divides C
  float epsilon = 1e-5F;
};

Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const GroupNorm& options);

}  // namespace nagare
