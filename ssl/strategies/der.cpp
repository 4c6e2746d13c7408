#include "ssl/strategies/der.h"

#include <optional>

#include "engine/ops/elementwise.h"
#include "ssl/augment/recipes.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/losses/der.h"

namespace nagare::ssl {
namespace {

class DarkExperience final : public Strategy {
 public:
  DarkExperience(const DerOptions& options, bool plus_plus, const StrategyContext& context)
      : options_(options), plus_plus_(plus_plus), context_(context) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    const Network& network = learner.method().network();
    const std::int64_t width = on_features() ? network.feature_dim() : network.dim();
    const ViewRecipe& first = learner.method().view_plan().views.front();
    ViewRecipe recipe = options_.replay_views == "ucl" ? ucl_replay_recipe(first.size) : first;
    recipe.mean = first.mean;
    recipe.std = first.std;
    plan_ = {.views = {recipe}};
    reservoir_.emplace(context_.capacity, context_.image_shape, context_.seed, context_.device, width);
    targets_ = Tensor::zeros({context_.stream_batch, width}, {.device = context_.device});
  }

  // What is stored with the arriving images is what the network makes of their first views before this update.
  Tensor penalty(const Update& update) override {
    const ViewRows& rows = on_features() ? update.output.features : update.output.projections;
    const std::int64_t count = update.views.batch;
    targets_.rows(0, count).copy_from(cast(rows.view(0, update.views.views).detach(), DType::f32));
    if (reservoir_->size() == 0) return {};
    const Tensor distance = replayed_distance(update.progress);
    return plus_plus_ ? add(distance, replayed_loss(update.progress)) : distance;
  }

  void finish(const Batch& batch) override { reservoir_->insert(batch, targets_); }
  std::vector<std::int64_t> stored_ids() const override { return reservoir_->ids(); }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "reservoir");
      reservoir_->list_state(list);
    }
    list.add("targets", targets_, nn::Role::buffer);
  }

 private:
  // Of one update's draws from the reservoir, and of their views.
  enum Draw : std::uint32_t { kDistance = 1, kLoss = 2 };

  bool on_features() const { return options_.target == "features"; }

  std::vector<std::int64_t> drawn(const Progress& progress, Draw draw) const {
    RandomKey key = replay_key(context_.seed, progress.step);
    key.view = draw;
    return draw_without_replacement(reservoir_->size(), context_.replay, key);
  }

  Tensor replayed_distance(const Progress& progress) {
    const std::vector<std::int64_t> slots = drawn(progress, kDistance);
    const Batch replay = with_replay({}, reservoir_->stored(), slots);
    const Views views = learner_->views(replay, plan_, progress.step, kDistance);
    const Network::Rows rows = learner_->method().network().forward(views.images, true);
    return der_loss(on_features() ? rows.features : rows.projections, reservoir_->payload(slots),
                    options_.alpha);
  }

  Tensor replayed_loss(const Progress& progress) {
    const Batch replay = with_replay({}, reservoir_->stored(), drawn(progress, kLoss));
    const Views views = learner_->views(replay, learner_->method().view_plan(), progress.step, kLoss);
    return scale(learner_->extra_loss(views, replay, Pass::extra).loss, options_.beta);
  }

  DerOptions options_;
  bool plus_plus_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  ViewPlan plan_;  // the one view whose distance is taken
  std::optional<Reservoir> reservoir_;
  Tensor targets_;  // (stream_batch, width): of the batch under way
};

std::unique_ptr<Strategy> make(const char* name, bool plus_plus, const StrategyContext& context) {
  DerOptions options;
  options.bind(plus_plus).assign(name, context.options);
  return std::make_unique<DarkExperience>(options, plus_plus, context);
}

}  // namespace

OptionSet DerOptions::bind(bool plus_plus) {
  OptionSet set;
  set.number("alpha", alpha, {.low = 0.0, .high = 1e6}, "weight of the distance to what was stored");
  if (plus_plus)
    set.number("beta", beta, {.low = 0.0, .high = 1e6}, "weight of the method's loss on stored images");
  set.choice("target", target, {"features", "projections"},
             "what is stored: the backbone's output, or what the method's loss takes");
  set.choice("replay-views", replay_views, {"method", "ucl"},
             "how a stored image is augmented: as the method's first view, or without colour steps");
  return set;
}

std::unique_ptr<Strategy> make_der(const StrategyContext& context) { return make("der", false, context); }

std::unique_ptr<Strategy> make_der_plus_plus(const StrategyContext& context) {
  return make("der++", true, context);
}

}  // namespace nagare::ssl
