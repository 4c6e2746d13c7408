#include "ssl/strategies/er.h"

#include "ssl/buffers/reservoir.h"

namespace nagare::ssl {
namespace {

class ExperienceReplay final : public Strategy {
 public:
  explicit ExperienceReplay(const StrategyContext& context)
      : seed_(context.seed),
        replay_(context.replay),
        reservoir_(context.capacity, context.image_shape, context.seed, context.device) {}

  Batch compose(const Batch& batch, const Progress& progress) override {
    const auto slots = draw_without_replacement(reservoir_.size(), replay_, replay_key(seed_, progress.step));
    return with_replay(batch, reservoir_.stored(), slots);
  }

  // Only now, so that a batch is not replayed while it is still arriving.
  void finish(const Batch& batch) override { reservoir_.insert(batch); }

  std::vector<std::int64_t> stored_ids() const override { return reservoir_.ids(); }

  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "reservoir");
    reservoir_.list_state(list);
  }

 private:
  std::uint64_t seed_;
  std::int64_t replay_;
  Reservoir reservoir_;
};

}  // namespace

std::unique_ptr<Strategy> make_er(const StrategyContext& context) {
  OptionSet().assign("er", context.options);
  return std::make_unique<ExperienceReplay>(context);
}

std::vector<OptionInfo> er_options() { return {}; }

}  // namespace nagare::ssl
