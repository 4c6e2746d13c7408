#pragma once
// Adam and AdamW; contract in engine/optim/optimizer.h.
#include "engine/optim/optimizer.h"

namespace nagare::optim {

std::unique_ptr<Optimizer> make_adam(const OptimizerOptions& options, std::vector<nn::StateEntry> parameters);

}  // namespace nagare::optim
