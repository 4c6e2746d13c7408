#pragma once
// Progressive networks: a new column for every task, fed by the frozen older ones. docs/strategies/pnn.md
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

// The model of a run of `tasks` tasks: `spec` with as many columns.
std::string progressive_model(const std::string& spec, std::int64_t tasks);

std::unique_ptr<Strategy> make_pnn(const StrategyContext& context);
std::vector<OptionInfo> pnn_options();

}  // namespace nagare::ssl
