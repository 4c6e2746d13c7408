#include "ssl/strategies/gss.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "engine/autograd/tape.h"
#include "ssl/buffers/gradient_selection.h"
#include "ssl/buffers/replay.h"
#include "ssl/strategies/flat_parameters.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kViewsDraw = 1;

class GradientSelection final : public Strategy {
 public:
  GradientSelection(const GssOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        buffer_(context.capacity, context.image_shape, context.seed, context.device) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    all_.emplace(method_parameters(learner.method()));
    backbone_.emplace(backbone_parameters(learner.method()));
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    const auto slots =
        draw_without_replacement(buffer_.size(), context_.replay, replay_key(context_.seed, progress.step));
    return with_replay(batch, buffer_.stored(), slots);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  // Gradients of stored images are made when they are first asked for, and forgotten with the batch.
  void finish(const Batch& batch) override {
    std::map<std::int64_t, Tensor> gradients;
    const auto stored = [&](std::int64_t slot) {
      const auto known = gradients.find(slot);
      if (known != gradients.end()) return known->second;
      const std::int64_t slots[] = {slot};
      return gradients[slot] = gradient_of(with_replay({}, buffer_.stored(), slots));
    };
    const std::vector<std::int64_t> compared = buffer_.draw_slots(options_.compare);
    const auto score = [&](const Tensor& gradient) {
      double largest = -1.0;
      for (const std::int64_t slot : compared) largest = std::max(largest, cosine(gradient, stored(slot)));
      return 1.0 + largest;
    };
    const double of_batch = compared.empty() ? kFirstScore : score(gradient_of(batch));
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      const Batch single{.images = batch.images.rows(static_cast<std::int64_t>(i), 1), .ids = {batch.ids[i]}};
      const auto taken = buffer_.offer(single, of_batch, [&] { return score(gradient_of(single)); });
      if (taken) gradients.erase(*taken);
    }
  }

  std::vector<std::int64_t> stored_ids() const override { return buffer_.ids(); }

  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "buffer");
    buffer_.list_state(list);
  }

 private:
  static double cosine(const Tensor& a, const Tensor& b) {
    const double lengths = std::sqrt(dot(a, a) * dot(b, b));
    return lengths > 0.0 ? dot(a, b) / lengths : 0.0;
  }

  // Of the backbone, with running statistics: nothing moves.
  Tensor gradient_of(const Batch& batch) {
    const Views views =
        learner_->views(batch, learner_->method().view_plan(), buffer_.presentations(), kViewsDraw);
    all_->clear_gradients();
    tape::backward(learner_->extra_loss(views, batch, Pass::frozen).loss);
    const Tensor gradient = backbone_->gradients().values;
    all_->clear_gradients();
    return gradient;
  }

  // What the published program gives the very first batch, which there is nothing to compare with.
  static constexpr double kFirstScore = 0.1;

  GssOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  std::optional<FlatParameters> all_;
  std::optional<FlatParameters> backbone_;
  GradientSelectionBuffer buffer_;
};

}  // namespace

OptionSet GssOptions::bind() {
  OptionSet set;
  set.integer("compare", compare, {.low = 1, .high = 65536},
              "stored images whose gradients an arriving batch is compared with");
  return set;
}

std::unique_ptr<Strategy> make_gss(const StrategyContext& context) {
  GssOptions options;
  options.bind().assign("gss", context.options);
  return std::make_unique<GradientSelection>(options, context);
}

}  // namespace nagare::ssl
