#pragma once
// A tensor combined with one value per column or one per row. x is f32 or bf16, the row or column f32; the
// result has x's type, and the gradient of the row or column is f32. Errors: std::invalid_argument with both shapes.
#include "engine/tensor/tensor.h"

namespace nagare {

// row (C) with every row of x (..., C).
Tensor add_row(const Tensor& x, const Tensor& row);
Tensor multiply_row(const Tensor& x, const Tensor& row);

// column (R) with every column of x (R, C); or column (...) with x (..., C).
Tensor add_column(const Tensor& x, const Tensor& column);
Tensor multiply_column(const Tensor& x, const Tensor& column);

}  // namespace nagare
