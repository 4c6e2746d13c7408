#pragma once
// Projected functional regularisation: a predictor foretells, from today's features, those of the network at the end of the
// task before. docs/strategies/pfr.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct PfrOptions {
  float strength = 1.0F;       // lambda
  std::int64_t hidden = 256;   // of the predictor
  std::string norm = "batch";  // batch-norm statistics of the old network: the batch's, or its own

  OptionSet bind();
};

std::unique_ptr<Strategy> make_pfr(const StrategyContext& context);

}  // namespace nagare::ssl
