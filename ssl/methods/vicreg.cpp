#include "ssl/methods/vicreg.h"

#include "ssl/augment/recipes.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const VicRegOptions& options, const MethodContext& context) {
  return {.widths = projector_widths(*context.backbone, options.projector_layers,
                                     {.hidden = options.hidden, .dim = options.dim}),
          .hidden_bias = options.hidden_bias,
          .output_bias = options.output_bias,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

class VicRegMethod final : public Method {
 public:
  VicRegMethod(const VicRegOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(vicreg_recipe(context.image_size), 2, context)),
        encoder_(encoder_of(context, projector(options, context))) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return encoder_.dim(); }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }
  void list_state(nn::StateList& list) const override { encoder_.list_state(list); }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("vicreg", views, 2);
    const EncodedViews encoded = encoder_.forward_views(views, pass);
    const std::vector<Tensor>& z = encoded.projections;  // 2 of (B, D), neither normalised nor centred
    const VicRegLoss parts = vicreg_loss(z[0], z[1], options_.loss);
    StepOutput output = joint_output(parts.loss, encoded);
    output.metrics.push_back({"similarity", parts.similarity.item()});
    output.metrics.push_back({"deviation", parts.deviation.item()});
    output.metrics.push_back({"covariance", parts.covariance.item()});
    return output;
  }

 private:
  VicRegOptions options_;
  ViewPlan plan_;
  Encoder encoder_;
};

}  // namespace

OptionSet VicRegOptions::bind() {
  OptionSet set;
  set.integer("projector-layers", projector_layers, {.low = 1, .high = 8}, "Linear layers of the projector");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layers");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.flag("hidden-bias", hidden_bias, "biases of the Linear layers that a batch norm follows");
  set.flag("output-bias", output_bias, "bias of the last Linear layer");
  set.number("similarity-weight", loss.similarity_weight, {.low = 0.0, .high = 1e6},
             "weight of the distance between the views");
  set.number("deviation-weight", loss.deviation_weight, {.low = 0.0, .high = 1e6},
             "weight of the hinge on the deviations");
  set.number("covariance-weight", loss.covariance_weight, {.low = 0.0, .high = 1e6},
             "weight of the covariances");
  set.number("epsilon", loss.epsilon, {.low = 1e-12, .high = 1.0}, "added to the variances");
  set.flag("halved", loss.halved, "deviation term: mean of the views, as published; off: their sum");
  return set;
}

std::unique_ptr<Method> make_vicreg(MethodContext context) {
  VicRegOptions options;
  options.bind().assign("vicreg", context.options);
  return std::make_unique<VicRegMethod>(options, std::move(context));
}

}  // namespace nagare::ssl
