#include "ssl/methods/simsiam.h"

#include "models/mlp.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/simsiam.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

models::MlpOptions projector(const SimSiamOptions& options, const MethodContext& context) {
  std::vector<std::int64_t> widths{context.backbone->feature_dim()};
  for (std::int64_t layer = 1; layer < options.projector_layers; ++layer) widths.push_back(options.hidden);
  widths.push_back(options.dim);
  return {.widths = widths,
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
        dim_(options.dim),
        projector_(projector(options, context)),
        predictor_(predictor(options, context)),
        backbone_(std::move(context.backbone)) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return dim_; }
  models::Backbone& backbone() override { return *backbone_; }

  // One view after the other: batch-norm statistics are each view's own.
  StepOutput loss(const Views& views) override {
    check_views("simsiam", views, 2);
    const SimSiamView first = forward(view_images(views, 0));
    const SimSiamView second = forward(view_images(views, 1));
    const Tensor embedding = joint_embedding({first.projection, second.projection});
    return {.loss = simsiam_loss(first, second),
            .embedding = embedding,
            .metrics = {{"collapse_std", collapse_std(embedding)}}};
  }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "backbone");
      backbone_->list_state(list);
    }
    {
      const nn::StateList::Scope scope(list, "projector");
      projector_.list_state(list);
    }
    const nn::StateList::Scope scope(list, "predictor");
    predictor_.list_state(list);
  }

 private:
  SimSiamView forward(const Tensor& images) {
    const Tensor z = projector_.forward(backbone_->forward(images, true), true);  // (B, D)
    return {.prediction = predictor_.forward(z, true), .projection = z};
  }

  ViewPlan plan_;
  std::int64_t dim_;
  models::Mlp projector_;
  models::Mlp predictor_;
  std::unique_ptr<models::Backbone> backbone_;
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
