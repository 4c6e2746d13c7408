#include "ssl/strategies/cla.h"

#include <algorithm>
#include <optional>

#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "ssl/buffers/fifo.h"
#include "ssl/buffers/min_redundancy.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/methods/common.h"
#include "ssl/strategies/cassle.h"
#include "ssl/strategies/distillation.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

// Images [begin, begin + count) of every view.
struct Part {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

class Alignment : public Strategy {
 public:
  Alignment(const ClaOptions& options, const StrategyContext& context)
      : options_(options), context_(context) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    aligner_.emplace(learner.method().network().dim(), options_.hidden, context_);
  }

  void list_state(nn::StateList& list) const override { aligner_->list_state(list); }

 protected:
  // targets: (V count, D) view-major.
  Tensor aligned(const Update& update, const Part& part, const Tensor& targets) const {
    std::vector<PredictedView> views;
    const std::int64_t count = update.views.views;
    for (std::int64_t v = 0; v < count; ++v) {
      const Tensor rows = slice(update.output.projections.view(v, count), 0, part.begin, part.count);
      views.push_back({.prediction = aligner_->forward(rows),
                       .projection = targets.rows(v * part.count, part.count).detach()});
    }
    if (options_.criterion == "cosine") return mean_view_cosine(views, -options_.strength);
    const DistilledAs form = options_.criterion == "mse" ? DistilledAs::mse : context_.method.distilled_as;
    if (form == DistilledAs::prototypes)
      return mean_view_cosine(views, -options_.strength);  // targets have none
    return scale(cassle_loss(form, views, kTemperature), options_.strength);
  }

  // One target for every view.
  static Tensor repeated(const Tensor& targets, std::int64_t views) {
    return concat(std::vector<Tensor>(static_cast<std::size_t>(views), targets), 0);
  }

  static constexpr float kTemperature = 0.2F;  // of the contrastive form, as CaSSLe's

  ClaOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  std::optional<Predictor> aligner_;
};

// CLA-E, and the same on replayed images.
class MovingAverage final : public Alignment {
 public:
  MovingAverage(const ClaOptions& options, const StrategyContext& context)
      : Alignment(options, context),
        reservoir_(replays() ? context.capacity : 1, context.image_shape, context.seed, context.device) {}

  void attach(Learner& learner) override {
    Alignment::attach(learner);
    average_.emplace(learner.method().network());
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    part_ = {.begin = 0, .count = static_cast<std::int64_t>(batch.ids.size())};
    if (!replays()) return batch;
    const auto slots = draw_without_replacement(reservoir_.size(), context_.replay,
                                                replay_key(context_.seed, progress.step));
    part_ = {.begin = part_.count, .count = static_cast<std::int64_t>(slots.size())};
    return with_replay(batch, reservoir_.stored(), slots);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override {
    return replays() ? context_.most_drawn(earlier) : 0;
  }

  Tensor penalty(const Update& update) override {
    if (part_.count < (replays() ? 2 : 1)) return {};  // batch statistics need more than one row
    std::vector<Tensor> images;
    for (std::int64_t v = 0; v < update.views.views; ++v)
      images.push_back(view_images(update.views, v).rows(part_.begin, part_.count));
    const Views views{.images = concat(images, 0), .views = update.views.views, .batch = part_.count};
    return aligned(update, part_, average_->forward(views, PastNetwork::Norm::batch).projections);
  }

  void after_step(const Update& /*update*/) override {
    average_->follow(learner_->method().network(), options_.momentum);
  }

  void finish(const Batch& batch) override {
    if (replays()) reservoir_.insert(batch);
  }

  std::vector<std::int64_t> stored_ids() const override {
    return replays() ? reservoir_.ids() : std::vector<std::int64_t>{};
  }

  void list_state(nn::StateList& list) const override {
    Alignment::list_state(list);
    average_->list_state(list);
    if (!replays()) return;
    const nn::StateList::Scope scope(list, "reservoir");
    reservoir_.list_state(list);
  }

 private:
  bool replays() const { return options_.variant == "ema-replay"; }

  std::optional<PastNetwork> average_;
  Reservoir reservoir_;
  Part part_;  // what is aligned in the update under way
};

// CLA-R.
class Stored final : public Alignment {
 public:
  using Alignment::Alignment;

  void attach(Learner& learner) override {
    Alignment::attach(learner);
    const std::int64_t dim = learner.method().network().dim();
    reservoir_.emplace(context_.capacity, context_.image_shape, context_.seed, context_.device, dim);
    arrived_ = Tensor::zeros({context_.stream_batch, dim}, {.device = context_.device});
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    slots_ = draw_without_replacement(reservoir_->size(), context_.replay,
                                      replay_key(context_.seed, progress.step));
    part_ = {.begin = static_cast<std::int64_t>(batch.ids.size()),
             .count = static_cast<std::int64_t>(slots_.size())};
    return with_replay(batch, reservoir_->stored(), slots_);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  Tensor penalty(const Update& update) override {
    const Tensor mean = mean_of_views(update);
    arrived_.rows(0, part_.begin).copy_from(mean.rows(0, part_.begin));
    if (part_.count < 2) return {};
    const Tensor before = reservoir_->payload(slots_);
    now_ =
        add(scale(before, options_.keep), scale(mean.rows(part_.begin, part_.count), 1.0F - options_.keep));
    return aligned(update, part_, repeated(cast(before, projection_type(update)), update.views.views));
  }

  void after_step(const Update& /*update*/) override {
    if (now_.defined()) reservoir_->set_payload(slots_, now_);
    now_ = {};
  }

  void finish(const Batch& batch) override { reservoir_->insert(batch, arrived_); }
  std::vector<std::int64_t> stored_ids() const override { return reservoir_->ids(); }

  void list_state(nn::StateList& list) const override {
    Alignment::list_state(list);
    list.add("arrived", arrived_, nn::Role::buffer);
    const nn::StateList::Scope scope(list, "reservoir");
    reservoir_->list_state(list);
  }

 private:
  static DType projection_type(const Update& update) {
    return update.output.projections.blocks.front().dtype();
  }

  static Tensor mean_of_views(const Update& update) {
    const std::int64_t views = update.views.views;
    Tensor sum;
    for (std::int64_t v = 0; v < views; ++v) {
      const Tensor rows = cast(update.output.projections.view(v, views).detach(), DType::f32);
      sum = sum.defined() ? add(sum, rows) : rows;
    }
    return scale(sum, 1.0F / static_cast<float>(views));
  }

  std::optional<Reservoir> reservoir_;
  Tensor arrived_;  // (stream_batch, D): mean projections of the batch under way
  // Of the update under way.
  std::vector<std::int64_t> slots_;
  Part part_;
  Tensor now_;
};

// The buffer in two parts. What is stored are unit rows: MinRed's features.
class Hybrid final : public Alignment {
 public:
  Hybrid(const ClaOptions& options, const StrategyContext& context)
      : Alignment(options, context),
        recent_capacity_(std::max<std::int64_t>(context.capacity / 4, 1)),
        recent_(recent_capacity_, context.image_shape, context.device),
        spread_capacity_(context.capacity - recent_capacity_),
        spread_({.slots = spread_capacity_ + context.stream_batch,
                 .embedding_dim = context.embedding_dim,
                 .image_shape = context.image_shape,
                 .device = context.device}),
        arrived_(Tensor::zeros({context.stream_batch, context.embedding_dim}, {.device = context.device})) {}

  Batch compose(const Batch& batch, const Progress& progress) override {
    const RandomKey key = replay_key(context_.seed, progress.step);
    RandomKey other = key;
    other.view = 1;
    const std::vector<std::int64_t> recent = draw_from(recent_.by_age(), from_recent(), key);
    slots_ = draw_from(spread_.by_age(), from_spread(), other);
    arriving_ = static_cast<std::int64_t>(batch.ids.size());
    part_ = {.begin = arriving_ + static_cast<std::int64_t>(recent.size()),
             .count = static_cast<std::int64_t>(slots_.size())};
    return with_replay(with_replay(batch, recent_.stored(), recent), spread_.stored(), slots_);
  }

  // An image may lie in both parts.
  std::int64_t most_replayed(std::int64_t earlier) const override {
    return std::min({from_recent(), recent_capacity_, earlier}) +
           std::min({from_spread(), spread_capacity_, earlier});
  }

  Tensor penalty(const Update& update) override {
    arrived_.rows(0, arriving_).copy_from(update.output.embedding.rows(0, arriving_));
    if (part_.count < 2) return {};
    std::vector<float> rows;
    for (const std::int64_t slot : slots_) {
      const auto feature = spread_.feature(slot);
      rows.insert(rows.end(), feature.begin(), feature.end());
    }
    const Tensor targets = Tensor::from(rows, {part_.count, context_.embedding_dim}, context_.device);
    return aligned(update, part_, repeated(targets, update.views.views));
  }

  void after_step(const Update& update) override {
    spread_.update_features(slots_, update.output.embedding.rows(part_.begin, part_.count), options_.keep);
  }

  // Room is made first: what has just arrived stays.
  void finish(const Batch& batch) override {
    recent_.insert(batch);
    const auto count = static_cast<std::int64_t>(batch.ids.size());
    spread_.evict(std::max<std::int64_t>(spread_capacity_ - count, 0));
    spread_.insert(batch);
    const std::vector<std::int64_t> slots = spread_.by_age();
    spread_.update_features(std::span(slots).last(batch.ids.size()), arrived_.rows(0, count), options_.keep);
    spread_.evict(spread_capacity_);
  }

  std::vector<std::int64_t> stored_ids() const override {
    std::vector<std::int64_t> ids = ids_of(recent_.stored(), recent_.by_age());
    const std::vector<std::int64_t> spread = ids_of(spread_.stored(), spread_.by_age());
    ids.insert(ids.end(), spread.begin(), spread.end());
    return ids;
  }

  void list_state(nn::StateList& list) const override {
    Alignment::list_state(list);
    list.add("arrived", arrived_, nn::Role::buffer);
    {
      const nn::StateList::Scope scope(list, "recent");
      recent_.list_state(list);
    }
    const nn::StateList::Scope scope(list, "spread");
    spread_.list_state(list);
  }

 private:
  std::int64_t from_recent() const { return context_.replay - context_.replay / 2; }
  std::int64_t from_spread() const { return context_.replay / 2; }

  std::int64_t recent_capacity_;
  Fifo recent_;
  std::int64_t spread_capacity_;
  MinRedundancyBuffer spread_;
  Tensor arrived_;  // (stream_batch, D): embeddings of the batch under way
  // Of the update under way.
  std::vector<std::int64_t> slots_;
  std::int64_t arriving_ = 0;
  Part part_;
};

}  // namespace

OptionSet ClaOptions::bind() {
  OptionSet set;
  set.choice("variant", variant, {"ema", "stored", "ema-replay", "hybrid"},
             "what is aligned with: a moving average of the network, or what was stored");
  set.choice("criterion", criterion, {"cosine", "mse", "method"}, "how agreement is measured");
  set.number("strength", strength, {.low = 0.0, .high = 1e6}, "weight of the alignment, omega");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the aligner's hidden layer");
  set.number("momentum", momentum, {.low = 0.0, .high = 1.0},
             "share of the moving average that an update keeps");
  set.number("keep", keep, {.low = 0.0, .high = 1.0}, "share of what is stored that a replay keeps");
  return set;
}

std::unique_ptr<Strategy> make_cla(const StrategyContext& context) {
  ClaOptions options;
  options.bind().assign("cla", context.options);
  if (options.variant == "stored") return std::make_unique<Stored>(options, context);
  if (options.variant != "hybrid") return std::make_unique<MovingAverage>(options, context);
  if (options.criterion == "mse") {
    throw BadConfig(
        "cla: the hybrid variant stores unit rows, which mse would pull lengths towards: need "
        "criterion cosine or method");
  }
  if (context.capacity < 2) {
    throw BadConfig("cla: a buffer of " + std::to_string(context.capacity) +
                    " in two parts: need at least 2 images");
  }
  return std::make_unique<Hybrid>(options, context);
}

}  // namespace nagare::ssl
