#include "ssl/strategies/cassle.h"

#include <cmath>
#include <optional>

#include "engine/device/errors.h"
#include "engine/nn/init.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "ssl/losses/cassle.h"
#include "ssl/methods/common.h"
#include "ssl/strategies/distillation.h"
#include "ssl/strategies/flat_parameters.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kPrototypeSeed = 65;  // beside the predictor's 64

DistilledAs form_of(const CassleOptions& options, const MethodTraits& method) {
  if (options.form == "cosine") return DistilledAs::cosine;
  if (options.form == "contrastive") return DistilledAs::contrastive;
  if (options.form == "barlow") return DistilledAs::barlow;
  if (options.form == "mse") return DistilledAs::mse;
  if (options.form == "prototypes") return DistilledAs::prototypes;
  return method.distilled_as;
}

float strength_of(const CassleOptions& options, DistilledAs form) {
  if (options.strength > 0.0F) return options.strength;
  return form == DistilledAs::mse ? 25.0F : 1.0F;
}

float temperature_of(const CassleOptions& options, DistilledAs form) {
  if (options.temperature > 0.0F) return options.temperature;
  return form == DistilledAs::prototypes ? 0.1F : 0.2F;
}

class Cassle final : public Strategy {
 public:
  Cassle(const CassleOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        form_(form_of(options, context.method)),
        strength_(strength_of(options, form_)),
        temperature_(temperature_of(options, form_)) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    const Network& network = learner.method().network();
    past_.emplace(network);
    predictor_.emplace(network.dim(), options_.hidden, context_);
    nn::StateList list;
    predictor_->list_state(list);
    parameters_.emplace(list.parameters());
    if (form_ == DistilledAs::prototypes) take_prototypes(learner.method());
  }

  Tensor penalty(const Update& update) override {
    if (!past_->taken()) return {};
    const auto norm = PastNetwork::norm_named(options_.norm);
    const Tensor past = past_->forward(update.views, norm).projections;
    const auto views = predictor_->predict(update.output.projections, past, update.views.views);
    if (form_ != DistilledAs::prototypes) return scale(cassle_loss(form_, views, temperature_), strength_);
    return scale(cassle_prototype_loss(all_views(views),
                                       {.old = old_prototypes_, .learned = l2_normalize(learned_prototypes_)},
                                       temperature_),
                 strength_);
  }

  // A weight below 1 is not to slow the predictor down: its rate is divided by it.
  void edit_gradients(const Update& /*update*/) override {
    if (form_ != DistilledAs::cosine || strength_ >= 1.0F) return;
    FlatGradients gradient = parameters_->gradients();
    gradient.values = scale(gradient.values, 1.0F / strength_);
    parameters_->set_gradients(gradient);
  }

  void end_task(std::int64_t /*task*/) override {
    past_->take(learner_->method().network());
    if (owner_ != nullptr) old_prototypes_.copy_from(owner_->prototypes());
  }

  void list_state(nn::StateList& list) const override {
    past_->list_state(list);
    predictor_->list_state(list);
    if (owner_ == nullptr) return;
    list.add("prototypes.old", old_prototypes_, nn::Role::buffer);
    list.add("prototypes.weight", learned_prototypes_, nn::Role::weight);
  }

 private:
  void take_prototypes(const Method& method) {
    owner_ = dynamic_cast<const PrototypeMethod*>(&method);
    if (owner_ == nullptr) {
      throw BadConfig(
          "strategy cassle: form \"prototypes\", and the method has no prototypes: need a method that has "
          "(swav, dino), or another form");
    }
    const Shape shape = owner_->prototypes().shape();
    old_prototypes_ = Tensor::zeros(shape, {.device = context_.device});
    learned_prototypes_ = nn::Initializer(head_seed(context_.seed, kPrototypeSeed), context_.device)
                              .uniform(shape, 1.0 / std::sqrt(static_cast<double>(shape[1])));
  }

  CassleOptions options_;
  StrategyContext context_;
  DistilledAs form_;
  float strength_;
  float temperature_;
  Learner* learner_ = nullptr;
  std::optional<PastNetwork> past_;
  std::optional<Predictor> predictor_;
  std::optional<FlatParameters> parameters_;  // of the predictor
  const PrototypeMethod* owner_ = nullptr;    // form prototypes alone, and so are
  Tensor old_prototypes_;                     // (K, D), of the network before the task
  Tensor learned_prototypes_;                 // (K, D), of which the directions count
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
  set.choice("form", form, {"method", "cosine", "contrastive", "barlow", "mse", "prototypes"},
             "of the distillation's loss: that of the method, or another");
  set.number("strength", strength, {.low = 0.0, .high = 1e6},
             "weight of the distillation, lambda; 0: the form's own, 25 for mse and 1 for the others");
  set.number("temperature", temperature, {.low = 0.0, .high = 100.0},
             "of the softmax; 0: the form's own, 0.2 for contrastive and 0.1 for prototypes");
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
