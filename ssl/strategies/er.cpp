#include "ssl/strategies/er.h"

#include "ssl/buffers/reservoir.h"

namespace nagare::ssl {
namespace {

class ExperienceReplay final : public Strategy {
 public:
  explicit ExperienceReplay(const StrategyContext& context)
      : context_(context), reservoir_(context.capacity, context.image_shape, context.seed, context.device) {}

  Batch compose(const Batch& batch, const Progress& progress) override {
    const auto slots = draw_without_replacement(reservoir_.size(), context_.replay,
                                                replay_key(context_.seed, progress.step));
    return with_replay(batch, reservoir_.stored(), slots);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  // Only now, so that a batch is not replayed while it is still arriving.
  void finish(const Batch& batch) override { reservoir_.insert(batch); }

  std::vector<std::int64_t> stored_ids() const override { return reservoir_.ids(); }

  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "reservoir");
    reservoir_.list_state(list);
  }

 private:
  StrategyContext context_;
  Reservoir reservoir_;
};

}  // namespace

std::unique_ptr<Strategy> make_er(const StrategyContext& context) {
  OptionSet().assign("er", context.options);
  return std::make_unique<ExperienceReplay>(context);
}

std::vector<OptionInfo> er_options() { return {}; }

}  // namespace nagare::ssl
