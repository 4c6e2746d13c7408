#pragma once
// Gradient-based sample selection: the buffer keeps images whose gradients point away from each other's, and replays
// them as er does. docs/strategies/gss.md
#include <cstdint>
#include <memory>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct GssOptions {
  std::int64_t compare = 10;  // stored images whose gradients an arriving batch is compared with

  OptionSet bind();
};

std::unique_ptr<Strategy> make_gss(const StrategyContext& context);

}  // namespace nagare::ssl
