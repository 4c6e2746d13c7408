#pragma once
// The checks that every op makes of its inputs: std::invalid_argument names the op, what it got and what it needs.
#include "engine/tensor/tensor.h"

namespace nagare {

void check_defined(const char* op, const Tensor& x);
void check_dtype(const char* op, const Tensor& x, DType wanted);
// f32 or bf16.
void check_activation(const char* op, const Tensor& x);
void check_same_device(const char* op, const Tensor& a, const Tensor& b);
// Same shape, element type and device.
void check_same_kind(const char* op, const Tensor& a, const Tensor& b);
// At least `rank` axes.
void check_rank(const char* op, const Tensor& x, int rank);

}  // namespace nagare
