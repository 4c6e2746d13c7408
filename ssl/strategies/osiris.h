#pragma once
// Osiris: a second head in which arriving and remembered images keep apart and the past stays told apart, beside the
// method's own. docs/strategies/osiris.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct OsirisOptions {
  std::string variant = "replay";  // Osiris-R; distil: Osiris-D, with the network before the task
  float strength = 0.5F;           // of both terms
  float temperature = 0.1F;
  std::string norm = "batch";  // distil: batch-norm statistics of the old network

  OptionSet bind();
};

std::unique_ptr<Strategy> make_osiris(const StrategyContext& context);

}  // namespace nagare::ssl
