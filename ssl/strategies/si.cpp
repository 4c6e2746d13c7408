#include "ssl/strategies/si.h"

#include <optional>

#include "engine/ops/elementwise.h"
#include "engine/optim/clip.h"
#include "ssl/strategies/flat_parameters.h"

namespace nagare::ssl {
namespace {

class SynapticIntelligence final : public Strategy {
 public:
  explicit SynapticIntelligence(const SiOptions& options) : options_(options) {}

  void attach(Learner& learner) override {
    all_ = method_parameters(learner.method());
    backbone_.emplace(backbone_parameters(learner.method()));
    path_ = Tensor::zeros({backbone_->size()}, backbone_->options());
    importance_ = zeros_like(path_);
    anchor_ = backbone_->values();
    tasks_ = Tensor::zeros({}, {.dtype = DType::i64});
  }

  Tensor penalty(const Update& /*update*/) override {
    pull_ = {};
    if (*tasks_.data<std::int64_t>() == 0) return {};
    const QuadraticPenalty penalty = quadratic_penalty(*backbone_, importance_, anchor_, options_.strength);
    pull_ = penalty.gradient;
    return penalty.value;
  }

  // The path counts what the method's loss gained, and that before it is clipped.
  void edit_gradients(const Update& /*update*/) override {
    if (options_.mode == "path") {
      gradient_ = backbone_->gradients().values;
      if (pull_.defined()) gradient_ = subtract(gradient_, pull_);
      before_ = backbone_->values();
    }
    if (options_.clip > 0.0F) optim::clip_gradient_value(all_, options_.clip);
    if (options_.mode == "ucl") {
      path_.copy_from(add(path_, scale(square(backbone_->gradients().values), options_.ucl_rate)));
    }
  }

  void after_step(const Update& /*update*/) override {
    if (options_.mode != "path") return;
    path_.copy_from(add(path_, multiply(gradient_, subtract(before_, backbone_->values()))));
    gradient_ = before_ = {};
  }

  void end_task(std::int64_t /*task*/) override {
    const Tensor now = backbone_->values();
    importance_.copy_from(add(importance_, si_importance(path_, now, anchor_, options_.xi)));
    anchor_.copy_from(now);
    path_.fill_zero();
    ++*tasks_.data<std::int64_t>();
  }

  void list_state(nn::StateList& list) const override {
    list.add("path", path_, nn::Role::buffer);
    list.add("importance", importance_, nn::Role::buffer);
    list.add("anchor", anchor_, nn::Role::buffer);
    list.add("tasks", tasks_, nn::kCount);
  }

 private:
  SiOptions options_;
  std::vector<nn::StateEntry> all_;  // of the method: what is clipped
  std::optional<FlatParameters> backbone_;
  Tensor path_;        // omega: of the task under way
  Tensor importance_;  // Omega
  Tensor anchor_;      // theta at the last boundary
  Tensor tasks_;       // i64 scalar: boundaries so far
  // Of the update under way.
  Tensor pull_;
  Tensor gradient_;
  Tensor before_;
};

}  // namespace

Tensor si_importance(const Tensor& path, const Tensor& now, const Tensor& start, double xi) {
  const std::vector<float> w = path.to_vector<float>();
  const std::vector<float> to = now.to_vector<float>();
  const std::vector<float> from = start.to_vector<float>();
  std::vector<float> importance(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double moved = static_cast<double>(to.at(i)) - from.at(i);
    importance[i] = static_cast<float>(w[i] / (moved * moved + xi));
  }
  return Tensor::from(importance, path.shape(), path.device());
}

OptionSet SiOptions::bind() {
  OptionSet set;
  set.choice("mode", mode, {"path", "ucl"}, "the path integral, or UCL's squared gradients");
  set.number("strength", strength, {.low = 0.0, .high = 1e9}, "weight of the penalty, c");
  set.number("xi", xi, {.low = 1e-12, .high = 1e6}, "damping of the importance");
  set.number("clip", clip, {.low = 0.0, .high = 1e6}, "gradient elements are cut to this size; 0: not");
  set.number("ucl-rate", ucl_rate, {.low = 0.0, .high = 1e3}, "ucl mode: the nominal learning rate");
  return set;
}

std::unique_ptr<Strategy> make_si(const StrategyContext& context) {
  SiOptions options;
  options.bind().assign("si", context.options);
  return std::make_unique<SynapticIntelligence>(options);
}

}  // namespace nagare::ssl
