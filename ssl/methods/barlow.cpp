#include "ssl/methods/barlow.h"

#include "ssl/augment/recipes.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const BarlowOptions& options, const MethodContext& context) {
  return {.widths = projector_widths(*context.backbone, options.projector_layers,
                                     {.hidden = options.hidden, .dim = options.dim}),
          .hidden_bias = options.bias,
          .output_bias = options.bias,
          .output_norm = options.output_norm,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

ViewPlan plan(const BarlowOptions& options, const MethodContext& context) {
  if (options.views == "symmetric") return plan_of(simsiam_recipe(context.image_size), 2, context);
  return plan_of(byol_recipes(context.image_size), context);
}

class BarlowTwins final : public Method {
 public:
  BarlowTwins(const BarlowOptions& options, MethodContext context)
      : options_(options),
        plan_(plan(options, context)),
        encoder_(encoder_of(context, projector(options, context))) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return encoder_.dim(); }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }
  void list_state(nn::StateList& list) const override { encoder_.list_state(list); }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("barlow", views, 2);
    const EncodedViews encoded = encoder_.forward_views(views, pass);
    const std::vector<Tensor>& z = encoded.projections;  // 2 of (B, D), neither normalised nor centred
    return joint_output(barlow_loss(z[0], z[1], options_.loss), encoded);
  }

 private:
  BarlowOptions options_;
  ViewPlan plan_;
  Encoder encoder_;
};

}  // namespace

OptionSet BarlowOptions::bind() {
  OptionSet set;
  set.integer("projector-layers", projector_layers, {.low = 1, .high = 8}, "Linear layers of the projector");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layers");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.flag("bias", bias, "biases of the projector's Linear layers");
  set.flag("output-norm", output_norm, "an affine batch norm behind the projector");
  set.choice("views", views, {"asymmetric", "symmetric"},
             "asymmetric: BYOL's pair, as published; symmetric: SimSiam's, as in UCL");
  set.number("lambda", loss.lambda, {.low = 0.0, .high = 1e3}, "weight of what is off the diagonal");
  set.number("scale", loss.scale, {.low = 0.0, .high = 1e6}, "factor of the whole loss");
  set.number("epsilon", loss.epsilon, {.low = 0.0, .high = 1.0}, "added to the variances");
  set.flag("unbiased", loss.unbiased, "variances over B - 1, as in UCL");
  return set;
}

std::unique_ptr<Method> make_barlow(MethodContext context) {
  BarlowOptions options;
  options.bind().assign("barlow", context.options);
  return std::make_unique<BarlowTwins>(options, std::move(context));
}

}  // namespace nagare::ssl
