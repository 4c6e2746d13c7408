#pragma once
// Pooling of NHWC images, f32 or bf16. Errors: std::invalid_argument with shape and window.
#include "engine/tensor/tensor.h"

namespace nagare {

struct MaxPool {
  int kernel = 3;
  int stride = 2;
  int padding = 1;
};

// (N, H, W, C) -> (N, H', W', C), H' = floor((H + 2 padding - kernel) / stride) + 1. Padding never wins;
// among equal values the first in row-major window order gets the whole gradient (kernels/max_pool.h).
Tensor max_pool(const Tensor& x, const MaxPool& window);

struct MaxPoolResult {
  Tensor y;
  Tensor indices;  // i64, as y: h * W + w of the maximum in x
};
MaxPoolResult max_pool_with_indices(const Tensor& x, const MaxPool& window);

// Mean over the pixels: (N, H, W, C) -> (N, C), of x's type.
Tensor global_average_pool(const Tensor& x);

}  // namespace nagare
