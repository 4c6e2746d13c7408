#pragma once
// Dark experience replay: what the network makes of a replayed image stays near what it made of it when it was stored.
//
//   L = alpha mean over all entries of (output - stored)^2
//
// output  (B, D) f32 or bf16, computed in f32;  stored  (B, D) f32, a constant
// source  Buzzega et al., NeurIPS 2020, eq. 5
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

Tensor der_loss(const Tensor& output, const Tensor& stored, float alpha);

}  // namespace nagare::ssl
