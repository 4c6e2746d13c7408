#pragma once
// Experience replay: every update trains on the arriving images and on some drawn from a reservoir, through
// one forward pass. docs/strategies/er.md
#include <memory>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

std::unique_ptr<Strategy> make_er(const StrategyContext& context);
std::vector<OptionInfo> er_options();

}  // namespace nagare::ssl
