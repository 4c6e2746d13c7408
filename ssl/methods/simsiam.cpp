#include "ssl/methods/simsiam.h"

#include "ssl/augment/recipes.h"
#include "ssl/losses/simsiam.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const SimSiamOptions& options, const MethodContext& context) {
  return {.widths = projector_widths(*context.backbone, options.projector_layers,
                                     {.hidden = options.hidden, .dim = options.dim}),
          .hidden_bias = options.hidden_bias,
          .output_bias = options.hidden_bias,
          .output_norm = true,
          .output_norm_affine = options.last_norm_affine,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

models::MlpOptions predictor(const SimSiamOptions& options, const MethodContext& context) {
  return {.widths = {options.dim, options.predictor_hidden, options.dim},
          .hidden_bias = options.hidden_bias,
          .seed = head_seed(context.seed, 1),
          .device = context.device};
}

class SimSiam final : public Method {
 public:
  SimSiam(const SimSiamOptions& options, MethodContext context)
      : plan_(plan_of(simsiam_recipe(context.image_size), 2, context)),
        predictor_(predictor(options, context)),
        encoder_(encoder_of(context, projector(options, context))) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return encoder_.dim(); }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("simsiam", views, 2);
    const EncodedViews encoded = encoder_.forward_views(views, pass);
    const std::vector<Tensor>& z = encoded.projections;  // 2 of (B, D)
    const bool training = pass != Pass::frozen;
    const PredictedView first{.prediction = predictor_.forward(z[0], training), .projection = z[0]};
    const PredictedView second{.prediction = predictor_.forward(z[1], training), .projection = z[1]};
    return joint_output(simsiam_loss(first, second), encoded);
  }

  void list_state(nn::StateList& list) const override {
    encoder_.list_state(list);
    const nn::StateList::Scope scope(list, "predictor");
    predictor_.list_state(list);
  }

 private:
  ViewPlan plan_;
  models::Mlp predictor_;
  Encoder encoder_;
};

}  // namespace

OptionSet SimSiamOptions::bind() {
  OptionSet set;
  set.integer("projector-layers", projector_layers, {.low = 2, .high = 3},
              "2 as for CIFAR, 3 as for ImageNet");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layers");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of projection and prediction");
  set.integer("predictor-hidden", predictor_hidden, {.low = 1, .high = 65536},
              "width of the predictor's hidden layer");
  set.flag("hidden-bias", hidden_bias, "biases of the Linear layers that a batch norm follows");
  set.flag("last-norm-affine", last_norm_affine, "scale and shift of the projector's last batch norm");
  return set;
}

std::unique_ptr<Method> make_simsiam(MethodContext context) {
  SimSiamOptions options;
  options.bind().assign("simsiam", context.options);
  return std::make_unique<SimSiam>(options, std::move(context));
}

}  // namespace nagare::ssl
