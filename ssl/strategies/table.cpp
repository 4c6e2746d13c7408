#include "ssl/strategies/table.h"

#include <algorithm>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "ssl/methods/table.h"
#include "ssl/strategies/er.h"
#include "ssl/strategies/finetune.h"
#include "ssl/strategies/minred.h"

namespace nagare::ssl {
namespace {

constexpr StrategyRow kStrategies[] = {
    {"er", "replays a uniform sample of the past", "Vitter, ACM TOMS 1985; Chaudhry et al., arXiv 1902.10486",
     make_er, er_options},
    {"finetune", "trains on what arrives and nothing else", "the baseline of every continual-learning paper",
     make_finetune, finetune_options},
    {"minred", "replays from a buffer that drops what it already has", "Purushwalkam et al., ECCV 2022",
     make_minred, [] { return MinRedOptions().bind().list(); }},
};

void check(const std::string& name, const StrategyContext& context) {
  if (context.capacity < 1 || context.replay < 1 || context.stream_batch < 1) {
    throw BadConfig(name + ": buffer of " + std::to_string(context.capacity) + ", replay of " +
                    std::to_string(context.replay) + ", arriving batches of " +
                    std::to_string(context.stream_batch) + ": need at least 1 of each");
  }
}

struct NeedRow {
  StrategyNeed need;
  bool (*met)(const MethodTraits& method, bool boundaries);
  const char* reason;
};

constexpr NeedRow kNeeds[] = {
    {kNeedsBoundaries, [](const MethodTraits&, bool boundaries) { return boundaries; },
     "it acts where a task ends, and this stream hides that"},
    {kNeedsNoLabels, [](const MethodTraits& method, bool) { return !method.labels; },
     "it trains on mixtures of two images, and a mixture has no one label"},
    {kNeedsSingleImageLoss, [](const MethodTraits& method, bool) { return method.single_image; },
     "it compares the gradients of single images, and this method's loss needs other images beside them"},
    {kNeedsQueue, [](const MethodTraits& method, bool) { return method.queue; },
     "it works on a queue of keys, and this method has none"},
};

}  // namespace

std::span<const StrategyRow> strategy_table() { return kStrategies; }

std::unique_ptr<Strategy> make_strategy(const std::string& name, const StrategyContext& context) {
  const auto* row = std::ranges::find(kStrategies, name, &StrategyRow::name);
  if (row == std::end(kStrategies)) {
    std::vector<std::string> known;
    for (const StrategyRow& other : kStrategies) known.emplace_back(other.name);
    throw BadConfig(unknown_name("strategy", name, known));
  }
  check(name, context);
  return row->make(context);
}

void check_needs(const std::string& strategy, unsigned needs, const std::string& method,
                 const MethodTraits& traits, bool boundaries) {
  for (const NeedRow& row : kNeeds) {
    if ((needs & row.need) == 0 || row.met(traits, boundaries)) continue;
    throw BadConfig("strategy " + strategy + " with method " + method + ": " + row.reason);
  }
}

void check_pair(const std::string& strategy, const std::string& method, bool boundaries) {
  const auto* row = std::ranges::find(kStrategies, strategy, &StrategyRow::name);
  const auto methods = method_table();
  const auto learns = std::ranges::find(methods, method, &MethodRow::name);
  if (row == std::end(kStrategies) || learns == methods.end()) return;
  check_needs(strategy, row->needs, method, learns->traits, boundaries);
}

}  // namespace nagare::ssl
