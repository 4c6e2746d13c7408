#pragma once
// The activations that networks may choose among.
#include "engine/tensor/tensor.h"

namespace nagare::models {

enum class Activation { relu, gelu, mish };

// Of every element; formulas in kernels/unary.h.
Tensor activate(Activation activation, const Tensor& x);

}  // namespace nagare::models
