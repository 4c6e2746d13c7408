#pragma once
// No strategy: train on what arrives. The floor that every other strategy is measured against.
// docs/strategies/finetune.md
#include <memory>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

std::unique_ptr<Strategy> make_finetune(const StrategyContext& context);
std::vector<OptionInfo> finetune_options();

}  // namespace nagare::ssl
