#pragma once
// Gradient clipping, between backward() and Optimizer::step(). Undefined gradients are skipped.
#include <vector>

#include "engine/nn/state.h"

namespace nagare::optim {

// g *= min(1, max_norm / (total + 1e-6)), total = sqrt(sum |g|^2) over all parameters. Returns total as a
// scalar on the parameters' device, so that nothing waits for it. A NaN or infinite total makes the gradients
// NaN or zero: look at it before stepping where that may happen.
Tensor clip_gradient_norm(const std::vector<nn::StateEntry>& parameters, double max_norm);
// Every element to [-limit, limit]; NaN stays NaN.
void clip_gradient_value(const std::vector<nn::StateEntry>& parameters, double limit);

// Both: std::invalid_argument unless the limit is positive and finite.

}  // namespace nagare::optim
