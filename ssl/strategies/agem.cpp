#include "ssl/strategies/agem.h"

#include <algorithm>
#include <optional>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "ssl/buffers/fifo.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/strategies/flat_parameters.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kReplayDraw = 1;

class AveragedGradientMemory final : public Strategy {
 public:
  explicit AveragedGradientMemory(const StrategyContext& context)
      : context_(context), memory_(context.capacity, context.image_shape, context.device) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    parameters_.emplace(method_parameters(learner.method()));
    const std::int64_t share = context_.capacity / learner.tasks();
    if (share < 1) {
      throw BadConfig("agem: a buffer of " + std::to_string(context_.capacity) + " images for " +
                      std::to_string(learner.tasks()) + " tasks: need at least one image a task (--buffer)");
    }
    sample_.emplace(share, context_.image_shape, context_.seed, context_.device);
  }

  void finish(const Batch& batch) override { sample_->insert(batch); }

  // A share of the memory for every task, drawn from all of its images while they arrived: what is stored has been seen.
  void end_task(std::int64_t /*task*/) override {
    std::vector<std::int64_t> slots(static_cast<std::size_t>(sample_->size()));
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<std::int64_t>(i);
    if (!slots.empty()) memory_.insert(with_replay({}, sample_->stored(), slots));
    sample_->clear();
  }

  void edit_gradients(const Update& update) override {
    violated_ = false;
    const std::vector<std::int64_t> slots = draw_without_replacement(
        memory_.size(), context_.replay, replay_key(context_.seed, update.progress.step));
    if (slots.size() < 2) return;  // most losses need another image beside one
    FlatGradients gradient = parameters_->gradients();
    const Tensor reference = reference_gradient(slots, update.progress.step);
    violated_ = dot(gradient.values, reference) < 0.0;
    if (violated_) gradient.values = project_gradient(gradient.values, reference);
    parameters_->set_gradients(gradient);
  }

  std::vector<Metric> metrics() const override { return {{"agem_violated", violated_ ? 1.0 : 0.0}}; }
  std::vector<std::int64_t> stored_ids() const override { return ids_of(memory_.stored(), memory_.by_age()); }
  std::vector<std::int64_t> held_ids() const override {
    std::vector<std::int64_t> ids = stored_ids();
    const std::vector<std::int64_t> drawn = sample_->ids();
    ids.insert(ids.end(), drawn.begin(), drawn.end());
    return ids;
  }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "memory");
      memory_.list_state(list);
    }
    const nn::StateList::Scope scope(list, "sample");
    sample_->list_state(list);
  }

 private:
  Tensor reference_gradient(const std::vector<std::int64_t>& slots, std::int64_t step) {
    const Batch replay = with_replay({}, memory_.stored(), slots);
    const Views views = learner_->views(replay, learner_->method().view_plan(), step, kReplayDraw);
    parameters_->clear_gradients();
    tape::backward(learner_->extra_loss(views, replay, Pass::extra).loss);
    return parameters_->gradients().values;
  }

  StrategyContext context_;
  Learner* learner_ = nullptr;
  std::optional<FlatParameters> parameters_;
  Fifo memory_;                      // tasks that have ended
  std::optional<Reservoir> sample_;  // of the task under way
  bool violated_ = false;            // in the last update
};

}  // namespace

Tensor project_gradient(const Tensor& g, const Tensor& r) {
  const double overlap = dot(g, r);
  const double length = dot(r, r);
  if (!(overlap < 0.0) || !(length > 0.0)) return g;
  return subtract(g, scale(r, static_cast<float>(overlap / length)));
}

std::unique_ptr<Strategy> make_agem(const StrategyContext& context) {
  OptionSet().assign("agem", context.options);
  return std::make_unique<AveragedGradientMemory>(context);
}

std::vector<OptionInfo> agem_options() { return {}; }

}  // namespace nagare::ssl
