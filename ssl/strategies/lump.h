#pragma once
// LUMP: every view is mixed with a view of a stored image. docs/strategies/lump.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct LumpOptions {
  float alpha = 0.4F;  // the share of the arriving view is drawn from Beta(alpha, alpha), one draw an update
  // fresh  every update draws new views of the stored images, as the method wants them
  // ucl    the published program: the first view drawn anew without colour steps, the second as it was when stored
  std::string variant = "fresh";

  OptionSet bind();
};

std::unique_ptr<Strategy> make_lump(const StrategyContext& context);

}  // namespace nagare::ssl
