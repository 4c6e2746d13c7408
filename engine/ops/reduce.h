#pragma once
// Differentiable sums and means. x is f32 or bf16, the result f32. Fixed order of addition: the same bits on
// every run. Errors: std::invalid_argument with the shape, also for a mean over nothing.
#include "engine/tensor/tensor.h"

namespace nagare {

// Over everything -> ().
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

// Over all axes but the last: (R, C) -> (C), (..., C) -> (C).
Tensor sum_rows(const Tensor& x);
Tensor mean_rows(const Tensor& x);

// Over the last axis: (..., C) -> (...).
Tensor sum_columns(const Tensor& x);
Tensor mean_columns(const Tensor& x);

// Over the outermost axis: (n, ...) -> (...).
Tensor mean_outer(const Tensor& x);

// log sum exp over the last axis: (..., C) -> (...), f32 only. Entries of -inf are masked out
// (kernels/log_sum_exp.h).
Tensor log_sum_exp(const Tensor& x);

}  // namespace nagare
