#pragma once
// Joint training: all tasks at once, the upper bound that every strategy is measured against. docs/strategies/joint.md
#include <memory>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"
#include "ssl/streams/stream.h"

namespace nagare::ssl {

// The same images, cut into batches of the same sizes, shuffled over all tasks: as many updates, no boundary but the
// end, where the last task ends. Every epoch of the tasks becomes one pass over everything as far as the cuts allow.
//
// random  Philox keyed by (seed, pass)
Stream joint_stream(const Stream& stream, std::uint64_t seed);

std::unique_ptr<Strategy> make_joint(const StrategyContext& context);
std::vector<OptionInfo> joint_options();

}  // namespace nagare::ssl
