#include "ssl/strategies/joint.h"

#include <algorithm>
#include <map>

#include "kernels/philox.h"
#include "ssl/buffers/replay.h"
#include "ssl/strategies/finetune.h"
#include "ssl/streams/shuffle.h"

namespace nagare::ssl {
namespace {

// ids[p]: the images that arrive at least p + 1 times. One after the other they are all presentations.
std::vector<std::vector<std::int64_t>> passes_of(const Stream& stream) {
  std::map<std::int64_t, std::size_t> times;
  std::vector<std::vector<std::int64_t>> passes;
  for (const StreamBatch& batch : stream.batches) {
    for (const std::int64_t id : batch.ids) {
      const std::size_t pass = times[id]++;
      if (pass == passes.size()) passes.emplace_back();
      passes[pass].push_back(id);
    }
  }
  return passes;
}

}  // namespace

Stream joint_stream(const Stream& stream, std::uint64_t seed) {
  std::vector<std::int64_t> ids;
  const auto passes = passes_of(stream);
  for (std::size_t pass = 0; pass < passes.size(); ++pass) {
    const auto count = static_cast<std::int64_t>(passes[pass].size());
    const RandomKey key{.seed = seed,
                        .purpose = Purpose::stream_order,
                        .step = static_cast<std::uint32_t>(pass),
                        .view = kJointView};
    for (const std::int64_t i : draw_without_replacement(count, count, key)) {
      ids.push_back(passes[pass][static_cast<std::size_t>(i)]);
    }
  }
  Stream joint = stream;
  auto next = ids.begin();
  for (StreamBatch& batch : joint.batches) {
    batch.task = stream.tasks - 1;
    for (std::int64_t& id : batch.ids) id = *next++;
  }
  return joint;
}

std::unique_ptr<Strategy> make_joint(const StrategyContext& context) {
  OptionSet().assign("joint", context.options);
  return make_finetune(context);
}

std::vector<OptionInfo> joint_options() { return {}; }

}  // namespace nagare::ssl
