#pragma once
// SGD with momentum, and LARS, which is SGD with a trust ratio per tensor; contract in
// engine/optim/optimizer.h.
#include "engine/optim/optimizer.h"

namespace nagare::optim {

std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options, std::vector<nn::StateEntry> parameters);

}  // namespace nagare::optim
