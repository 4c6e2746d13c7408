#pragma once
// Elastic weight consolidation, online: parameters that the loss is sensitive to are held near where they were at the end
// of the task before. docs/strategies/ewc.md
#include <cstdint>
#include <memory>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct EwcOptions {
  float strength = 10.0F;  // lambda
  float keep = 1.0F;       // gamma: share of the older tasks' Fisher information that a new task keeps
  std::int64_t fisher_images = 0;  // of the task's images, evenly spaced; 0: all of them

  OptionSet bind();
};

std::unique_ptr<Strategy> make_ewc(const StrategyContext& context);

}  // namespace nagare::ssl
