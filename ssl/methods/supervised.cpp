#include "ssl/methods/supervised.h"

#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/nn/modules.h"
#include "engine/ops/elementwise.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/supervised.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

nn::Linear classifier(const MethodContext& context) {
  nn::Initializer init(head_seed(context.seed, 0), context.device);
  return {context.backbone->feature_dim(), context.classes, init};
}

class Supervised final : public SupervisedMethod {
 public:
  Supervised(const SupervisedOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(supervised_recipe(context.image_size), 1, context)),
        classifier_(classifier(context)),
        backbone_(std::move(context.backbone)) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return backbone_->feature_dim(); }
  models::Backbone& backbone() override { return *backbone_; }

  StepOutput loss(const Views& /*views*/) override {
    throw std::invalid_argument("supervised: loss() has no labels, call supervised_loss()");
  }

  StepOutput supervised_loss(const Views& views, const SupervisedLabels& labels) override {
    check_views("supervised", views, 1);
    const Tensor features = backbone_->forward(views.images, true);  // (B, F)
    const Tensor embedding = joint_embedding({features});
    return {.loss = supervised_cross_entropy(classifier_.forward(features), labels, options_.label_smoothing),
            .embedding = embedding,
            .metrics = {{"collapse_std", collapse_std(embedding)}}};
  }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "backbone");
      backbone_->list_state(list);
    }
    const nn::StateList::Scope scope(list, "classifier");
    classifier_.list_state(list);
  }

 private:
  SupervisedOptions options_;
  ViewPlan plan_;
  nn::Linear classifier_;
  std::unique_ptr<models::Backbone> backbone_;
};

}  // namespace

OptionSet SupervisedOptions::bind() {
  OptionSet set;
  set.number("label-smoothing", label_smoothing, {.low = 0.0, .high = 0.99}, "share spread over all classes");
  return set;
}

std::unique_ptr<Method> make_supervised(MethodContext context) {
  SupervisedOptions options;
  options.bind().assign("supervised", context.options);
  if (context.classes < 2) {
    throw BadConfig("supervised: the data set has " + std::to_string(context.classes) +
                    " classes, need 2 or more");
  }
  return std::make_unique<Supervised>(options, std::move(context));
}

}  // namespace nagare::ssl
