#pragma once
// Minimum-redundancy replay, in its original form and in the one used with EMP-SSL. docs/strategies/minred.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct MinRedOptions {
  // stream-replay  train on the arriving images and on R older ones, from the first batch on; evict after the
  //                K updates
  // buffer-only    evict when a batch arrives; train on B images drawn from the buffer alone, and not
  //                before it is full
  std::string variant = "stream-replay";
  float feature_keep = 0.5F;         // share of the old feature in its running mean
  bool train_while_filling = false;  // buffer-only: train before the buffer is full

  OptionSet bind();
};

std::unique_ptr<Strategy> make_minred(const StrategyContext& context);

}  // namespace nagare::ssl
