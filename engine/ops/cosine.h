#pragma once
// Differentiable mean cosines: the gradients are made while the loss is (kernels/cosine.h), in one reading of the
// operands, for those operands only that the tape follows.
#include "engine/tensor/tensor.h"

namespace nagare {

struct MeanCosine {
  float weight = 1.0F;    // of the result
  float epsilon = 1e-8F;  // shorter rows are divided by it
};

// weight times the mean over rows of cos(a_r, b_r) -> (), f32.
//
// a, b    (R, D) of the same kind, f32 or bf16, R and D >= 1
// errors  std::invalid_argument with shapes and types, and what the kernel refuses
Tensor mean_cosine(const Tensor& a, const Tensor& b, const MeanCosine& options = {});

// weight times the mean over patches i and images j of cos(z_ij, mean over i of z_ij) -> (), f32; the gradient flows
// through the mean too.
//
// z       (n, b, d), f32 or bf16, all at least 1
Tensor mean_patch_cosine(const Tensor& z, const MeanCosine& options = {});

}  // namespace nagare
