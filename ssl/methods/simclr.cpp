#include "ssl/methods/simclr.h"

#include "engine/ops/shape_ops.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/ntxent.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const SimClrOptions& options, const MethodContext& context) {
  return {.widths = {context.backbone->feature_dim(), options.hidden, options.dim},
          .hidden_norm = options.hidden_norm,
          .hidden_bias = options.hidden_bias,
          .output_bias = options.output_bias,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

ViewRecipe recipe(const SimClrOptions& options, std::int64_t size) {
  ViewRecipe recipe = simclr_recipe(size);
  if (options.jitter > 0.0F) {
    recipe.brightness = recipe.contrast = recipe.saturation = 0.8F * options.jitter;
    recipe.hue = 0.2F * options.jitter;
  }
  return recipe;
}

class SimClr final : public Method {
 public:
  SimClr(const SimClrOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(recipe(options, context.image_size), options.views, context)),
        encoder_(encoder_of(context, projector(options, context))) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }
  void list_state(nn::StateList& list) const override { encoder_.list_state(list); }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("simclr", views, options_.views);
    const EncodedViews encoded = encoder_.forward_views(views, pass);
    return joint_output(ntxent_loss(concat(encoded.projections, 0),
                                    {.views = options_.views, .temperature = options_.temperature}),
                        encoded);
  }

 private:
  SimClrOptions options_;
  ViewPlan plan_;
  Encoder encoder_;
};

}  // namespace

OptionSet SimClrOptions::bind() {
  OptionSet set;
  set.integer("views", views, {.low = 2, .high = 64}, "views of each image");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.number("jitter", jitter, {.low = 0.0, .high = 2.5},
             "strength of the colour jitter; 0: 0.5 below 64 pixels, 1 from there");
  set.flag("hidden-norm", hidden_norm, "batch norm in the projector");
  set.flag("hidden-bias", hidden_bias, "bias of the projector's first Linear layer");
  set.flag("output-bias", output_bias, "bias of its last one");
  return set;
}

std::unique_ptr<Method> make_simclr(MethodContext context) {
  SimClrOptions options;
  options.bind().assign("simclr", context.options);
  return std::make_unique<SimClr>(options, std::move(context));
}

}  // namespace nagare::ssl
