#include "ssl/methods/simclr.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "models/mlp.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/ntxent.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

class SimClr final : public Method {
 public:
  SimClr(const SimClrOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(simclr_recipe(context.image_size), options.views, context)),
        projector_({.widths = {context.backbone->feature_dim(), options.hidden, options.dim},
                    .hidden_bias = options.hidden_bias,
                    .seed = head_seed(context.seed, 0),
                    .device = context.device}),
        backbone_(std::move(context.backbone)) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return *backbone_; }

  // One view after the other: batch-norm statistics are each view's own.
  StepOutput loss(const Views& views) override {
    check_views("simclr", views, options_.views);
    std::vector<Tensor> projections;  // views of (B, D)
    for (std::int64_t v = 0; v < views.views; ++v) {
      projections.push_back(projector_.forward(backbone_->forward(view_images(views, v), true), true));
    }
    const Tensor embedding = joint_embedding(projections);
    return {.loss = ntxent_loss(concat(projections, 0),
                                {.views = options_.views, .temperature = options_.temperature}),
            .embedding = embedding,
            .metrics = {{"collapse_std", collapse_std(embedding)}}};
  }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "backbone");
      backbone_->list_state(list);
    }
    const nn::StateList::Scope scope(list, "projector");
    projector_.list_state(list);
  }

 private:
  SimClrOptions options_;
  ViewPlan plan_;
  models::Mlp projector_;
  std::unique_ptr<models::Backbone> backbone_;
};

}  // namespace

OptionSet SimClrOptions::bind() {
  OptionSet set;
  set.integer("views", views, {.low = 2, .high = 64}, "views of each image");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.flag("hidden-bias", hidden_bias, "bias of the Linear layer that a batch norm follows");
  return set;
}

std::unique_ptr<Method> make_simclr(MethodContext context) {
  SimClrOptions options;
  options.bind().assign("simclr", context.options);
  return std::make_unique<SimClr>(options, std::move(context));
}

}  // namespace nagare::ssl
