#pragma once
// The one list of continual-learning strategies, sorted by name.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ssl/core/method.h"
#include "ssl/core/options.h"
#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"
#include "ssl/streams/stream.h"

namespace nagare::ssl {

// What a strategy needs to make sense; a sum of these in its row.
enum StrategyNeed : unsigned {
  kNeedsBoundaries = 1,       // a stream that tells where a task ends
  kNeedsNoLabels = 2,         // a method without labels
  kNeedsSingleImageLoss = 4,  // a loss that is defined image by image
  kNeedsQueue = 8,            // a method with a queue of keys
  kNeedsProjector = 16,       // a method with projections of two views or more
};

struct StrategyRow {
  const char* name;
  const char* summary;    // what it does against forgetting, in half a line
  const char* reference;  // paper
  std::unique_ptr<Strategy> (*make)(const StrategyContext& context);
  std::vector<OptionInfo> (*options)();  // what StrategyContext::options may hold
  unsigned needs = 0;
  // The order in which images arrive under this strategy; nullptr: that of the stream.
  Stream (*arrange)(const Stream& stream, std::uint64_t seed) = nullptr;
  // The model that a run of `tasks` tasks has under this strategy; nullptr: the one that was asked for.
  std::string (*model)(const std::string& spec, std::int64_t tasks) = nullptr;
};

std::span<const StrategyRow> strategy_table();

// errors  BadConfig: unknown strategy or option (naming the nearest), value out of range
std::unique_ptr<Strategy> make_strategy(const std::string& name, const StrategyContext& context);

// The stream as the strategy wants it: itself, but for joint.
Stream arranged(const std::string& strategy, Stream stream, std::uint64_t seed);

// The model as the strategy wants it: itself, but for pnn.
std::string model_under(const std::string& strategy, const std::string& model, std::int64_t tasks);

// Whether a strategy goes with a method, and with a stream that tells where its tasks end or hides it. Names that no
// table knows pass: whoever makes them knows how to say so.
// errors  BadConfig with the reason
void check_pair(const std::string& strategy, const std::string& method, bool boundaries);
void check_needs(const std::string& strategy, unsigned needs, const std::string& method,
                 const MethodTraits& traits, bool boundaries);

}  // namespace nagare::ssl
