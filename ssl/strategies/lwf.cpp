#include "ssl/strategies/lwf.h"

#include <optional>

#include "engine/ops/cosine.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

class LearningWithoutForgetting final : public Strategy {
 public:
  explicit LearningWithoutForgetting(const LwfOptions& options) : options_(options) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    past_.emplace(learner.method().network());
  }

  Tensor penalty(const Update& update) override {
    if (!past_->taken()) return {};
    const auto norm = PastNetwork::norm_named(options_.norm);
    return lwf_loss(update.output.features.all(), past_->forward(update.views, norm).features, options_);
  }

  void end_task(std::int64_t /*task*/) override { past_->take(learner_->method().network()); }
  void list_state(nn::StateList& list) const override { past_->list_state(list); }

 private:
  LwfOptions options_;
  Learner* learner_ = nullptr;
  std::optional<PastNetwork> past_;
};

}  // namespace

Tensor lwf_loss(const Tensor& features, const Tensor& past, const LwfOptions& options) {
  const float strength = options.strength;
  if (options.distance == "cosine") {
    return add_scalar(mean_cosine(features, past.detach(), {.weight = -strength}), strength);
  }
  return scale(mean(square(subtract(cast(features, DType::f32), cast(past.detach(), DType::f32)))), strength);
}

OptionSet LwfOptions::bind() {
  OptionSet set;
  set.choice("distance", distance, {"cosine", "mse"}, "how far a feature is from the old network's");
  set.number("strength", strength, {.low = 0.0, .high = 1e6}, "weight of the distance, lambda");
  set.choice("norm", norm, {"batch", "running"}, "batch-norm statistics of the old network");
  return set;
}

std::unique_ptr<Strategy> make_lwf(const StrategyContext& context) {
  LwfOptions options;
  options.bind().assign("lwf", context.options);
  return std::make_unique<LearningWithoutForgetting>(options);
}

}  // namespace nagare::ssl
