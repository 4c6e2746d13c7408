#pragma once
// Osiris: what arrives and what is remembered keep apart, and what is remembered stays told apart. Rows are two views below
// each other: row r and row r + n / 2 are of one image.
//
//   osiris_cross_loss         1/2 [c(a, b) + c(b, a)],  c(a, b) = mean over rows r of a of
//                             ln(exp s(a_r, a_r') + sum_k exp s(a_r, b_k)) - s(a_r, a_r'),  r' the other view of r's image:
//                             only the other set's rows are negatives
//   osiris_distillation_loss  1/2 [d(a, b) + d(b, a)],  d(a, b) = mean over r of ln sum_k exp s(a_r, b_k) - s(a_r, b_r), k over
//                             all rows but r': neither view of an image is its negative
//
// s(x, y) = cos(x, y) / T;  a (n, D), b (m, D), f32 or bf16 (computed in f32), n and m even and >= 2; distillation: n = m
// gradient  to both sides
// cost      n (m + 1) D multiply-adds and a matrix of similarities, n x m
// errors    std::invalid_argument with the shapes
// source    Zhang et al., CoLLAs 2024, section 4
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

Tensor osiris_cross_loss(const Tensor& a, const Tensor& b, float temperature);
Tensor osiris_distillation_loss(const Tensor& a, const Tensor& b, float temperature);

}  // namespace nagare::ssl
