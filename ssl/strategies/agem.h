#pragma once
// A-GEM: a gradient that would raise the loss on stored images loses the part that does. docs/strategies/agem.md
#include <memory>
#include <vector>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

// g where g . r >= 0, else g - (g . r / r . r) r. (n) f32. A zero r constrains nothing.
Tensor project_gradient(const Tensor& g, const Tensor& r);

std::vector<OptionInfo> agem_options();

std::unique_ptr<Strategy> make_agem(const StrategyContext& context);

}  // namespace nagare::ssl
