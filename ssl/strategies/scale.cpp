#include "ssl/strategies/scale.h"

#include <cmath>
#include <optional>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/augment/augmenter.h"
#include "ssl/buffers/replay.h"
#include "ssl/buffers/spread.h"
#include "ssl/losses/scale.h"
#include "ssl/methods/common.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

class Scale final : public Strategy {
 public:
  Scale(const ScaleOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        count_(Tensor::zeros({}, {.dtype = DType::i64})),
        weight_(Tensor::full({}, -1.0F)) {
    const Shape& image = context.image_shape;
    stored_.images = Tensor::zeros({context.capacity, image[0], image[1], image[2]},
                                   {.dtype = DType::u8, .device = context.device});
    stored_.ids = Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(context.capacity), -1),
                               {context.capacity});
  }

  void attach(Learner& learner) override {
    learner_ = &learner;
    const std::size_t views = learner.method().view_plan().views.size();
    if (views < 2) throw BadConfig("scale: a method of " + std::to_string(views) + " view: need two");
    if (options_.past == "batch") past_.emplace(learner.method().network());
  }

  void arrive(const Batch& /*batch*/) override {
    if (past_) past_->take(learner_->method().network());
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    arrived_ = static_cast<std::int64_t>(batch.ids.size());
    return with_replay(
        batch, stored_,
        draw_without_replacement(size(), context_.replay, replay_key(context_.seed, progress.step)));
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  bool replaces_loss() const override { return options_.loss == "pseudo"; }

  Tensor penalty(const Update& update) override {
    const Tensor own = replaces_loss() ? contrast(update) : Tensor();
    if (update.views.batch < 2) return own;
    const Tensor relations = relation_loss(update);
    float& weight = *weight_.data<float>();
    if (weight < 0.0F) {
      const double other = (own.defined() ? own : update.output.loss).item();
      const double related = relations.item();
      weight = related > 0.0 ? options_.balance * static_cast<float>(std::abs(other) / related) : 0.0F;
    }
    const Tensor weighted = scale(relations, weight);
    return own.defined() ? add(own, weighted) : weighted;
  }

  // The memory becomes a spread subset of what it was and what has arrived.
  void finish(const Batch& batch) override {
    const Batch all = with_replay(batch, stored_, slots());
    const auto total = static_cast<std::int64_t>(all.ids.size());
    std::vector<std::int64_t> kept;
    if (total <= context_.capacity) {
      for (std::int64_t i = 0; i < total; ++i) kept.push_back(i);
    } else {
      kept = spread_rows(embedded(all.images), context_.capacity);
    }
    const StoredImages candidates{.images = all.images, .ids = Tensor::from(all.ids, {total})};
    const Batch chosen = with_replay({}, candidates, kept);
    const auto count = static_cast<std::int64_t>(chosen.ids.size());
    stored_.images.rows(0, count).copy_from(chosen.images);
    stored_.ids.rows(0, count).copy_from(Tensor::from(chosen.ids, {count}));
    *count_.data<std::int64_t>() = count;
  }

  std::vector<std::int64_t> stored_ids() const override { return ids_of(stored_, slots()); }

  void list_state(nn::StateList& list) const override {
    list.add("images", stored_.images, nn::Role::buffer);
    list.add("ids", stored_.ids, kStoredIds);
    list.add("count", count_, {.min = 0, .max = context_.capacity});
    list.add("weight", weight_, nn::Role::buffer);
    if (past_) past_->list_state(list);
  }

 private:
  std::int64_t size() const { return *count_.data<std::int64_t>(); }

  std::vector<std::int64_t> slots() const {
    std::vector<std::int64_t> all;
    for (std::int64_t slot = 0; slot < size(); ++slot) all.push_back(slot);
    return all;
  }

  static Tensor two_views(const ViewRows& rows, std::int64_t views) {
    return concat({rows.view(0, views), rows.view(1, views)}, 0);
  }

  Tensor contrast(const Update& update) const {
    const std::int64_t views = update.views.views;
    const auto alike = scale_positives(two_views(update.output.features, views), arrived_,
                                       options_.temperature, options_.kappa);
    return scale_contrast_loss(two_views(update.output.projections, views), alike, options_.temperature);
  }

  // Of the first view. Taken before every update, the older network is the one at hand.
  Tensor relation_loss(const Update& update) const {
    const Tensor now = update.output.projections.view(0, update.views.views);
    const Views first{.images = view_images(update.views, 0), .views = 1, .batch = update.views.batch};
    const Tensor past = past_ ? past_->forward(first, PastNetwork::Norm::batch).projections : now.detach();
    return scale_relation_loss({.rows = now, .temperature = options_.current_temperature},
                               {.rows = past, .temperature = options_.past_temperature});
  }

  // Unit features with running statistics, (N, F) on the CPU.
  Tensor embedded(const Tensor& images) const {
    const tape::NoGrad guard;
    const ViewRecipe& recipe = learner_->method().view_plan().views.front();
    const Tensor pixels =
        evaluation_images(images, recipe.mean, recipe.std, recipe.size, learner_->precision());
    return l2_normalize(cast(learner_->method().backbone().forward(pixels, /*training=*/false), DType::f32))
        .to(Device::cpu);
  }

  ScaleOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  StoredImages stored_;
  Tensor count_;   // i64 scalar: images held
  Tensor weight_;  // f32 scalar: of the relations; negative until the first update
  std::optional<PastNetwork> past_;
  std::int64_t arrived_ = 0;  // of the update under way
};

}  // namespace

OptionSet ScaleOptions::bind() {
  OptionSet set;
  set.choice("loss", loss, {"pseudo", "method"},
             "SCALE's pseudo-supervised contrast in place of the method's loss, or the method's");
  set.number("kappa", kappa, {.low = 0.0, .high = 1.0},
             "how alike images must be, between the mean and the largest similarity");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0},
             "of similarities and of the contrast");
  set.number("past-temperature", past_temperature, {.low = 0.005, .high = 100.0},
             "of the older network's relations");
  set.number("current-temperature", current_temperature, {.low = 0.005, .high = 100.0},
             "of today's relations");
  set.number("balance", balance, {.low = 0.0, .high = 1e6},
             "relations' share of the other loss at the first update; fixes their weight");
  set.choice("past", past, {"update", "batch"}, "when the older network is taken");
  return set;
}

std::unique_ptr<Strategy> make_scale(const StrategyContext& context) {
  ScaleOptions options;
  options.bind().assign("scale", context.options);
  return std::make_unique<Scale>(options, context);
}

}  // namespace nagare::ssl
