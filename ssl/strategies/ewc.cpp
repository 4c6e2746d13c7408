#include "ssl/strategies/ewc.h"

#include <algorithm>
#include <optional>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "ssl/buffers/seen_images.h"
#include "ssl/strategies/flat_parameters.h"

namespace nagare::ssl {
namespace {

class ElasticWeights final : public Strategy {
 public:
  ElasticWeights(const EwcOptions& options, std::int64_t batch) : options_(options), batch_(batch) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    backbone_.emplace(backbone_parameters(learner.method()));
    fisher_ = Tensor::zeros({backbone_->size()}, backbone_->options());
    anchor_ = backbone_->values();
    tasks_ = Tensor::zeros({}, {.dtype = DType::i64});
    seen_.emplace(learner.train_images());
  }

  void arrive(const Batch& batch) override { seen_->insert(batch); }

  Tensor penalty(const Update& /*update*/) override {
    if (*tasks_.data<std::int64_t>() == 0) return {};
    return quadratic_penalty(*backbone_, fisher_, anchor_, options_.strength).value;
  }

  void end_task(std::int64_t task) override {
    fisher_.copy_from(add(scale(fisher_, options_.keep), fisher_information(task)));
    anchor_.copy_from(backbone_->values());
    seen_->clear();
    ++*tasks_.data<std::int64_t>();
  }

  // Marks, of images whose Fisher information is to be taken.
  std::vector<std::int64_t> held_ids() const override { return seen_->ids(); }

  void list_state(nn::StateList& list) const override {
    list.add("fisher", fisher_, nn::Role::buffer);
    list.add("anchor", anchor_, nn::Role::buffer);
    list.add("tasks", tasks_, nn::kCount);
    seen_->list_state(list);
  }

 private:
  // One pass over the task with running statistics: the mean over its batches of batch size times squared gradient.
  Tensor fisher_information(std::int64_t task) {
    const FlatParameters all(method_parameters(learner_->method()));
    const std::vector<std::int64_t> ids = seen_->ids(options_.fisher_images);
    Tensor total = zeros_like(fisher_);
    std::int64_t batches = 0;
    for (std::size_t begin = 0; begin < ids.size(); begin += static_cast<std::size_t>(batch_)) {
      const std::size_t end = std::min(ids.size(), begin + static_cast<std::size_t>(batch_));
      if (end - begin < 2) break;  // a lone last image: most losses need others beside it
      const Batch batch = learner_->read(
          {ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.begin() + static_cast<std::ptrdiff_t>(end)});
      const Views views = learner_->views(batch, learner_->method().view_plan(), task, kDraw);
      all.clear_gradients();
      tape::backward(learner_->extra_loss(views, batch, Pass::frozen).loss);
      total = add(total, scale(square(backbone_->gradients().values), static_cast<float>(end - begin)));
      ++batches;
    }
    all.clear_gradients();
    return batches == 0 ? total : scale(total, 1.0F / static_cast<float>(batches));
  }

  static constexpr std::int64_t kDraw = 1;

  EwcOptions options_;
  std::int64_t batch_;
  Learner* learner_ = nullptr;
  std::optional<FlatParameters> backbone_;
  std::optional<SeenImages> seen_;
  Tensor fisher_;  // (n)
  Tensor anchor_;  // (n): theta at the last boundary
  Tensor tasks_;   // i64 scalar: boundaries so far
};

}  // namespace

OptionSet EwcOptions::bind() {
  OptionSet set;
  set.number("strength", strength, {.low = 0.0, .high = 1e9}, "weight of the penalty, lambda");
  set.number("keep", keep, {.low = 0.0, .high = 1.0},
             "share of the older tasks' Fisher information that is kept");
  set.integer("fisher-images", fisher_images, {.low = 0, .high = 1e9},
              "images of a task that its Fisher information is taken from; 0: all");
  return set;
}

std::unique_ptr<Strategy> make_ewc(const StrategyContext& context) {
  EwcOptions options;
  options.bind().assign("ewc", context.options);
  return std::make_unique<ElasticWeights>(options, context.stream_batch);
}

}  // namespace nagare::ssl
