#pragma once
// Softmax and its cross-entropies over the last axis. Formulas, masked entries and accuracy: kernels/row_softmax.h,
// kernels/cross_entropy.h. softmax and log_softmax are f32 (cast at the border); logits may be bf16 too: their loss is f32
// and their gradient has their type. Errors: std::invalid_argument with the shapes.
#include "engine/tensor/tensor.h"

namespace nagare {

Tensor softmax(const Tensor& x, float temperature = 1.0F);
Tensor log_softmax(const Tensor& x, float temperature = 1.0F);

// Mean over the rows of -log softmax(logits)[target]; logits (R, C), targets i64 (R) -> (). A logit of -inf
// is masked out: probability and gradient 0. label_smoothing e: (1 - e) of that plus e times the mean over
// all classes.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, float label_smoothing = 0.0F);

// Mean over the rows of -sum_c probabilities log softmax(logits); both (R, C). The probabilities are constants.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& probabilities);

}  // namespace nagare
