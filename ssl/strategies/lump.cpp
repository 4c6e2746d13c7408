#include "ssl/strategies/lump.h"

#include <algorithm>
#include <optional>

#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "ssl/augment/mixup.h"
#include "ssl/augment/recipes.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kReplayDraw = 1;

// Image i of the result is image i modulo r of the r that there are, in every view: (V r, ...) -> (V count, ...).
Tensor repeated(const Views& views, std::int64_t count) {
  if (views.batch == count) return views.images;
  std::vector<std::int64_t> rows;
  for (std::int64_t v = 0; v < views.views; ++v) {
    for (std::int64_t i = 0; i < count; ++i) rows.push_back(v * views.batch + i % views.batch);
  }
  const auto wanted = static_cast<std::int64_t>(rows.size());
  return gather_rows(views.images, Tensor::from(rows, {wanted}, views.images.device()));
}

class Lump final : public Strategy {
 public:
  Lump(const LumpOptions& options, const StrategyContext& context) : options_(options), context_(context) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    plan_ = learner.method().view_plan();
    const std::int64_t size = plan_.views.front().size;
    if (stores_views()) {
      if (plan_.views.size() != 2) {
        throw BadConfig("lump: the ucl variant stores the second of two views, and this method takes " +
                        std::to_string(plan_.views.size()) + ": choose variant fresh");
      }
      ViewRecipe recipe = ucl_replay_recipe(size);
      recipe.mean = plan_.views.front().mean;
      recipe.std = plan_.views.front().std;
      plan_ = {.views = {recipe}};
      second_views_ = Tensor::zeros({context_.stream_batch, size * size * 3}, {.device = context_.device});
    }
    reservoir_.emplace(context_.capacity, context_.image_shape, context_.seed, context_.device,
                       stores_views() ? size * size * 3 : 0);
  }

  Views mix(const Views& views, const Batch& /*batch*/, const Progress& progress) override {
    if (stores_views()) {
      const Tensor second = cast(view_images(views, 1), DType::f32);
      second_views_.rows(0, views.batch)
          .copy_from(second.reshaped({views.batch, second.numel() / views.batch}));
    }
    const std::vector<std::int64_t> slots =
        draw_without_replacement(reservoir_->size(), views.batch, replay_key(context_.seed, progress.step));
    if (slots.empty()) return views;
    const float share =
        draw_mixing_share(options_.alpha, {.seed = context_.seed,
                                           .purpose = Purpose::mixup,
                                           .step = static_cast<std::uint32_t>(progress.step)});
    const Tensor replayed = repeated(replayed_views(slots, views.images.dtype(), progress), views.batch);
    return {.images = mixup(views.images, replayed, share), .views = views.views, .batch = views.batch};
  }

  void finish(const Batch& batch) override { reservoir_->insert(batch, second_views_); }
  std::vector<std::int64_t> stored_ids() const override { return reservoir_->ids(); }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "reservoir");
      reservoir_->list_state(list);
    }
    if (stores_views()) list.add("second_views", second_views_, nn::Role::buffer);
  }

 private:
  bool stores_views() const { return options_.variant == "ucl"; }

  Views replayed_views(const std::vector<std::int64_t>& slots, DType dtype, const Progress& progress) const {
    const Batch replay = with_replay({}, reservoir_->stored(), slots);
    const Views fresh = learner_->views(replay, plan_, progress.step, kReplayDraw);
    if (!stores_views()) return fresh;
    const Tensor stored = cast(reservoir_->payload(slots), dtype).reshaped(fresh.images.shape());
    return {.images = concat({fresh.images, stored}, 0), .views = 2, .batch = fresh.batch};
  }

  LumpOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  ViewPlan plan_;  // of the views drawn from the buffer
  std::optional<Reservoir> reservoir_;
  Tensor second_views_;  // ucl: of the batch under way, as they were before mixing
};

}  // namespace

OptionSet LumpOptions::bind() {
  OptionSet set;
  set.number("alpha", alpha, {.low = 0.01, .high = 100.0},
             "of Beta(alpha, alpha), which the share is drawn from");
  set.choice("variant", variant, {"fresh", "ucl"},
             "both replayed views drawn anew, or UCL's: the second as it was when stored");
  return set;
}

std::unique_ptr<Strategy> make_lump(const StrategyContext& context) {
  LumpOptions options;
  options.bind().assign("lump", context.options);
  return std::make_unique<Lump>(options, context);
}

}  // namespace nagare::ssl
