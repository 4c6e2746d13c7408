#pragma once
// The one list of continual-learning strategies, sorted by name.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ssl/core/options.h"
#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct StrategyRow {
  const char* name;
  const char* summary;    // what it does against forgetting, in half a line
  const char* reference;  // paper
  std::unique_ptr<Strategy> (*make)(const StrategyContext& context);
  std::vector<OptionInfo> (*options)();  // what StrategyContext::options may hold
};

std::span<const StrategyRow> strategy_table();

// errors  BadConfig: unknown strategy or option (naming the nearest), value out of range
std::unique_ptr<Strategy> make_strategy(const std::string& name, const StrategyContext& context);

}  // namespace nagare::ssl
