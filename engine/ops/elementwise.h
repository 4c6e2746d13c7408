#pragma once
// Differentiable functions of single elements. Activations are f32 or bf16; the result has the type of the
// input. Errors: std::invalid_argument with the shapes and types.
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare {

// Of two tensors of the same shape and type.
Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);

Tensor scale(const Tensor& x, float factor);
Tensor add_scalar(const Tensor& x, float value);

// Formulas, special values and accuracy: kernels/unary.h.
Tensor relu(const Tensor& x);
Tensor gelu(const Tensor& x);
Tensor mish(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);

// To f32 or bf16, rounding to nearest even; x itself when it has that type. The gradient is cast back.
Tensor cast(const Tensor& x, DType dtype);

// Zeroes with probability drop_probability, scales the rest by 1 / (1 - drop_probability); for training only.
// The mask is a function of the key and the element's index (kernels/dropout.h).
Tensor dropout(const Tensor& x, float drop_probability, const RandomKey& key);

}  // namespace nagare
