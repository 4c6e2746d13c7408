#pragma once
// Replay of the newest images. docs/strategies/fifo.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct FifoOptions {
  // stream-replay  train on the arriving images and on R drawn from the M before them; store them after the K updates
  // buffer-only    store them first; train on B images drawn from the buffer, and not before it is full
  std::string variant = "stream-replay";
  bool newest = false;  // stream-replay: replay the R newest instead of a draw from all

  OptionSet bind();
};

std::unique_ptr<Strategy> make_fifo(const StrategyContext& context);

}  // namespace nagare::ssl
