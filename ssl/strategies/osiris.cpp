#include "ssl/strategies/osiris.h"

#include <optional>

#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "engine/optim/ema.h"
#include "models/mlp.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/losses/ntxent.h"
#include "ssl/losses/osiris.h"
#include "ssl/methods/common.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kReplayDraw = 1;

class Osiris final : public Strategy {
 public:
  Osiris(const OsirisOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        memory_(context.capacity, context.image_shape, context.seed, context.device) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    const Network& network = learner.method().network();
    const std::vector<ViewRecipe>& views = learner.method().view_plan().views;
    if (network.projector() == nullptr || views.size() < 2) {
      throw BadConfig("osiris: a method of " + std::to_string(views.size()) + " views" +
                      (network.projector() == nullptr ? " without a projector" : "") +
                      ": need two views and a projector, which the second head starts from");
    }
    plan_ = {.views = {views[0], views[1]}};
    head_.emplace(*network.projector());
    if (distils()) past_.emplace(network);
    tasks_ = Tensor::zeros({}, {.dtype = DType::i64});
  }

  void begin_task(std::int64_t /*task*/) override {
    constexpr std::int64_t kSecond = 2;
    if (++*tasks_.data<std::int64_t>() == kSecond) start_head();
  }

  Tensor penalty(const Update& update) override {
    if (*tasks_.data<std::int64_t>() < 2) return {};
    const auto slots = draw_without_replacement(memory_.size(), context_.replay,
                                                replay_key(context_.seed, update.progress.step));
    if (slots.size() < 2) return {};  // batch statistics need two
    const ViewRows& features = update.output.features;
    const Tensor x = two_views([&](std::int64_t v) { return features.view(v, update.views.views); });
    const Batch replay = with_replay({}, memory_.stored(), slots);
    const Views replayed = learner_->views(replay, plan_, update.progress.step, kReplayDraw);
    models::Backbone& backbone = learner_->method().backbone();
    const Tensor y = two_views(
        [&](std::int64_t v) { return backbone.forward(view_images(replayed, v), /*training=*/true); });
    const Tensor past = distils() ? osiris_distillation_loss(x, of_the_past(update), options_.temperature)
                                  : ntxent_loss(y, {.views = 2, .temperature = options_.temperature});
    return scale(add(osiris_cross_loss(x, y, options_.temperature), past), options_.strength);
  }

  void finish(const Batch& batch) override { memory_.insert(batch); }

  void end_task(std::int64_t /*task*/) override {
    if (distils()) past_->take(learner_->method().network());
  }

  std::vector<std::int64_t> stored_ids() const override { return memory_.ids(); }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "reservoir");
      memory_.list_state(list);
    }
    {
      const nn::StateList::Scope scope(list, "head");
      head_->list_state(list);
    }
    if (distils()) past_->list_state(list);
    list.add("tasks", tasks_, nn::kCount);
  }

 private:
  bool distils() const { return options_.variant == "distil"; }

  // The second head goes on from where the first one is.
  void start_head() {
    nn::StateList method;
    learner_->method().network().list_state(method);
    nn::StateList own;
    head_->list_state(own);
    for (const nn::StateEntry& entry : own.entries())
      entry.tensor.copy_from(method.find("projector." + entry.name)->tensor);
  }

  // h of the features of both views, below each other; batch statistics are each view's own.
  template <class Features>
  Tensor two_views(Features features) const {
    return concat(
        {head_->forward(features(0), /*training=*/true), head_->forward(features(1), /*training=*/true)}, 0);
  }

  // What the head makes of the old network's features of the arriving views.
  Tensor of_the_past(const Update& update) const {
    const std::int64_t count = update.views.batch;
    const Views first{.images = update.views.images.rows(0, 2 * count), .views = 2, .batch = count};
    const auto norm = PastNetwork::norm_named(options_.norm);
    const Tensor features = past_->forward(first, norm).features;
    return two_views([&](std::int64_t v) { return features.rows(v * count, count); });
  }

  OsirisOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  ViewPlan plan_;  // two views of a remembered image
  Reservoir memory_;
  std::optional<models::Mlp> head_;
  std::optional<PastNetwork> past_;
  Tensor tasks_;  // i64 scalar: begun so far
};

}  // namespace

OptionSet OsirisOptions::bind() {
  OptionSet set;
  set.choice("variant", variant, {"replay", "distil"},
             "the past is told apart among remembered images, or by the network before the task");
  set.number("strength", strength, {.low = 0.0, .high = 1e6}, "weight of the two terms in the second head");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "of their softmax");
  set.choice("norm", norm, {"batch", "running"}, "distil: batch-norm statistics of the old network");
  return set;
}

std::unique_ptr<Strategy> make_osiris(const StrategyContext& context) {
  OsirisOptions options;
  options.bind().assign("osiris", context.options);
  return std::make_unique<Osiris>(options, context);
}

}  // namespace nagare::ssl
