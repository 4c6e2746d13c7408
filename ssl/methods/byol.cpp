#include "ssl/methods/byol.h"

#include "engine/optim/schedule.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/byol.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions head(const ByolOptions& options, const MethodContext& context, std::uint32_t number) {
  const bool projects = number == 0;
  return {.widths = {projects ? context.backbone->feature_dim() : options.dim,
                     projects ? options.hidden : options.predictor_hidden, options.dim},
          .hidden_bias = true,
          .output_bias = options.output_bias,
          .seed = head_seed(context.seed, number),
          .device = context.device};
}

class Byol final : public Method {
 public:
  Byol(const ByolOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(byol_recipes(context.image_size), context)),
        predictor_(head(options, context, 1)),
        online_(encoder_of(context, head(options, context, 0))),
        target_(online_) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return online_.backbone(); }
  const Network& network() const override { return online_; }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("byol", views, 2);
    const EncodedViews encoded = online_.forward_views(views, pass);
    const std::vector<Tensor>& z = encoded.projections;                   // 2 of (B, D)
    const std::vector<Tensor> goal = target_.forward_views(views, pass);  // 2 of (B, D), constant
    const bool training = pass != Pass::frozen;
    return joint_output(byol_loss({.prediction = predictor_.forward(z[0], training), .projection = goal[0]},
                                  {.prediction = predictor_.forward(z[1], training), .projection = goal[1]}),
                        encoded);
  }

  // After the update: the target moves towards the weights that the step has just made.
  void after_step(const Progress& progress) override {
    target_.follow(online_, momentum_at(options_.momentum, progress));
  }

  void list_state(nn::StateList& list) const override {
    online_.list_state(list);
    {
      const nn::StateList::Scope scope(list, "predictor");
      predictor_.list_state(list);
    }
    target_.list_state(list);
  }

 private:
  ByolOptions options_;
  ViewPlan plan_;
  models::Mlp predictor_;
  Encoder online_;
  Teacher target_;
};

}  // namespace

OptionSet ByolOptions::bind() {
  OptionSet set;
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of projection and prediction");
  set.integer("predictor-hidden", predictor_hidden, {.low = 1, .high = 65536},
              "width of the predictor's hidden layer");
  set.flag("output-bias", output_bias, "biases of the heads' last Linear layers");
  set.number("momentum", momentum, {.low = 0.0, .high = 1.0},
             "share of the target network that a step keeps; grows to 1 as a cosine");
  return set;
}

std::unique_ptr<Method> make_byol(MethodContext context) {
  ByolOptions options;
  options.bind().assign("byol", context.options);
  return std::make_unique<Byol>(options, std::move(context));
}

}  // namespace nagare::ssl
