#include "ssl/strategies/pfr.h"

#include <optional>

#include "ssl/strategies/distillation.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

class ProjectedRegularisation final : public Strategy {
 public:
  ProjectedRegularisation(const PfrOptions& options, const StrategyContext& context)
      : options_(options), context_(context) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    const Network& network = learner.method().network();
    past_.emplace(network);
    predictor_.emplace(network.feature_dim(), options_.hidden, context_);
  }

  Tensor penalty(const Update& update) override {
    if (!past_->taken()) return {};
    const auto norm = PastNetwork::norm_named(options_.norm);
    const Tensor past = past_->forward(update.views, norm).features;
    return mean_view_cosine(predictor_->predict(update.output.features, past, update.views.views),
                            -options_.strength);
  }

  void end_task(std::int64_t /*task*/) override { past_->take(learner_->method().network()); }

  void list_state(nn::StateList& list) const override {
    past_->list_state(list);
    predictor_->list_state(list);
  }

 private:
  PfrOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  std::optional<PastNetwork> past_;
  std::optional<Predictor> predictor_;
};

}  // namespace

OptionSet PfrOptions::bind() {
  OptionSet set;
  set.number("strength", strength, {.low = 0.0, .high = 1e6}, "weight of the regularisation, lambda");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the predictor's hidden layer");
  set.choice("norm", norm, {"batch", "running"}, "batch-norm statistics of the old network");
  return set;
}

std::unique_ptr<Strategy> make_pfr(const StrategyContext& context) {
  PfrOptions options;
  options.bind().assign("pfr", context.options);
  return std::make_unique<ProjectedRegularisation>(options, context);
}

}  // namespace nagare::ssl
