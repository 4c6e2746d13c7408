#pragma once
// SCALE: images that look alike to the network are pulled together, relations stay, and the memory is spread over what has
// been seen. docs/strategies/scale.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct ScaleOptions {
  std::string loss =
      "pseudo";  // SCALE's pseudo-supervised contrast in place of the method's loss; method: the method's
  float kappa = 0.1F;        // how alike images must be, between the mean (0) and the largest similarity (1)
  float temperature = 0.1F;  // of similarities and of the contrast
  float past_temperature = 0.01F;
  float current_temperature = 0.1F;
  float balance = 0.15F;  // of the relations: their share of the other loss at the first update
  std::string past =
      "update";  // when the older network is taken: before every update, or every arriving batch

  OptionSet bind();
};

std::unique_ptr<Strategy> make_scale(const StrategyContext& context);

}  // namespace nagare::ssl
