#include "ssl/strategies/cassle.h"

#include <optional>

#include "engine/ops/elementwise.h"
#include "ssl/losses/cassle.h"
#include "ssl/strategies/distillation.h"
#include "ssl/strategies/flat_parameters.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

DistilledAs form_of(const CassleOptions& options, const MethodTraits& method) {
  if (options.form == "cosine") return DistilledAs::cosine;
  if (options.form == "contrastive") return DistilledAs::contrastive;
  if (options.form == "barlow") return DistilledAs::barlow;
  if (options.form == "mse") return DistilledAs::mse;
  return method.distilled_as;
}

float strength_of(const CassleOptions& options, DistilledAs form) {
  if (options.strength > 0.0F) return options.strength;
  return form == DistilledAs::mse ? 25.0F : 1.0F;
}

class Cassle final : public Strategy {
 public:
  Cassle(const CassleOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        form_(form_of(options, context.method)),
        strength_(strength_of(options, form_)) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    const Network& network = learner.method().network();
    past_.emplace(network);
    predictor_.emplace(network.dim(), options_.hidden, context_);
    nn::StateList list;
    predictor_->list_state(list);
    parameters_.emplace(list.parameters());
  }

  Tensor penalty(const Update& update) override {
    if (!past_->taken()) return {};
    const auto norm = options_.norm == "batch" ? PastNetwork::Norm::batch : PastNetwork::Norm::running;
    const Tensor past = past_->forward(update.views, norm).projections;
    return scale(cassle_loss(form_, predictor_->predict(update.output.projections, past, update.views.views),
                             options_.temperature),
                 strength_);
  }

  // A weight below 1 is not to slow the predictor down: its rate is divided by it.
  void edit_gradients(const Update& /*update*/) override {
    if (form_ != DistilledAs::cosine || strength_ >= 1.0F) return;
    FlatGradients gradient = parameters_->gradients();
    gradient.values = scale(gradient.values, 1.0F / strength_);
    parameters_->set_gradients(gradient);
  }

  void end_task(std::int64_t /*task*/) override { past_->take(learner_->method().network()); }

  void list_state(nn::StateList& list) const override {
    past_->list_state(list);
    predictor_->list_state(list);
  }

 private:
  CassleOptions options_;
  StrategyContext context_;
  DistilledAs form_;
  float strength_;
  Learner* learner_ = nullptr;
  std::optional<PastNetwork> past_;
  std::optional<Predictor> predictor_;
  std::optional<FlatParameters> parameters_;  // of the predictor
};

}  // namespace

Tensor cassle_loss(DistilledAs form, std::span<const PredictedView> views, float temperature) {
  if (form == DistilledAs::cosine) return add_scalar(mean_view_cosine(views, -2.0F), 2.0F);
  if (form == DistilledAs::contrastive) return cassle_contrastive_loss(all_views(views), temperature);
  const auto of_pair = [&](const PredictedView& a, const PredictedView& b) {
    return form == DistilledAs::barlow ? cassle_barlow_loss(a, b) : cassle_mse_loss(a, b);
  };
  const std::size_t count = views.size();
  Tensor total;
  for (std::size_t v = 0; v < count; v += 2) {
    const bool paired = v + 1 < count;  // a view left over stands for both
    const Tensor loss = scale(of_pair(views[v], views[paired ? v + 1 : v]),
                              (paired ? 2.0F : 1.0F) / static_cast<float>(count));
    total = total.defined() ? add(total, loss) : loss;
  }
  return total;
}

OptionSet CassleOptions::bind() {
  OptionSet set;
  set.choice("form", form, {"method", "cosine", "contrastive", "barlow", "mse"},
             "of the distillation's loss: that of the method, or another");
  set.number("strength", strength, {.low = 0.0, .high = 1e6},
             "weight of the distillation, lambda; 0: the form's own, 25 for mse and 1 for the others");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "contrastive form: of the softmax");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the predictor's hidden layer");
  set.choice("norm", norm, {"batch", "running"}, "batch-norm statistics of the old network");
  return set;
}

std::unique_ptr<Strategy> make_cassle(const StrategyContext& context) {
  CassleOptions options;
  options.bind().assign("cassle", context.options);
  return std::make_unique<Cassle>(options, context);
}

}  // namespace nagare::ssl
