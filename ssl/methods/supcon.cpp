#include "ssl/methods/supcon.h"

#include <stdexcept>
#include <vector>

#include "engine/ops/shape_ops.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/supcon.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const SupConOptions& options, const MethodContext& context) {
  return {.widths = {context.backbone->feature_dim(), options.hidden, options.dim},
          .hidden_norm = false,
          .hidden_bias = true,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

class SupConMethod final : public SupervisedMethod {
 public:
  SupConMethod(const SupConOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(simsiam_recipe(context.image_size), options.views, context)),
        encoder_(encoder_of(context, projector(options, context))) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }
  void list_state(nn::StateList& list) const override { encoder_.list_state(list); }

  StepOutput loss(const Views& /*views*/, Pass /*pass*/) override {
    throw std::invalid_argument("supcon: loss() has no labels, call supervised_loss()");
  }

  // All views pass together, as in the published program: batch-norm statistics cover them all.
  StepOutput supervised_loss(const Views& views, const SupervisedLabels& labels, Pass pass) override {
    check_views("supcon", views, options_.views);
    const Network::Rows rows = encoder_.forward(views.images, pass != Pass::frozen);
    const Tensor& z = rows.projections;  // (V B, D)
    const std::vector<Tensor> repeated(static_cast<std::size_t>(views.views), labels.classes);
    const Tensor loss =
        supcon_loss(z, {concat(repeated, 0)},
                    {.temperature = options_.temperature, .base_temperature = options_.base_temperature});
    std::vector<Tensor> projections;
    for (std::int64_t v = 0; v < views.views; ++v) {
      projections.push_back(z.detach().rows(v * views.batch, views.batch));
    }
    const Tensor embedding = joint_embedding(projections);
    return {.loss = loss,
            .embedding = embedding,
            .features = {{rows.features}},
            .projections = {{z}},
            .metrics = {{"collapse_std", collapse_std(embedding)}}};
  }

 private:
  SupConOptions options_;
  ViewPlan plan_;
  Encoder encoder_;
};

}  // namespace

OptionSet SupConOptions::bind() {
  OptionSet set;
  set.integer("views", views, {.low = 1, .high = 64}, "views of each image");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.number("base-temperature", base_temperature, {.low = 0.005, .high = 100.0},
             "the loss is multiplied by temperature / base-temperature");
  return set;
}

std::unique_ptr<Method> make_supcon(MethodContext context) {
  SupConOptions options;
  options.bind().assign("supcon", context.options);
  return std::make_unique<SupConMethod>(options, std::move(context));
}

}  // namespace nagare::ssl
