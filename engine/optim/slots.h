#pragma once
// What the optimisers share: state tensors beside every parameter, and counts of updates.
#include <string_view>
#include <vector>

#include "engine/nn/state.h"

namespace nagare::optim {

// Zeros of every parameter's shape, on its device.
std::vector<Tensor> make_slots(const std::vector<nn::StateEntry>& parameters);
// Lists slots[i] as "PREFIX.NAME", laid out on disk as its parameter is.
void list_slots(nn::StateList& list, std::string_view prefix, const std::vector<nn::StateEntry>& parameters,
                const std::vector<Tensor>& slots);

// Indices of the parameters that have a gradient. std::invalid_argument when one does not fit its parameter.
std::vector<std::size_t> with_gradient(const std::vector<nn::StateEntry>& parameters);

// std::invalid_argument unless 0 <= learning_rate < infinity.
void check_rate(double learning_rate);

}  // namespace nagare::optim
