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

// Backbone and classifier; logits are its projections.
class ClassifierNetwork final : public Network {
 public:
  ClassifierNetwork(nn::Linear classifier, std::unique_ptr<models::Backbone> backbone)
      : backbone_(std::move(backbone)), classifier_(std::move(classifier)) {}

  Rows forward(const Tensor& images, bool training) const override {
    const Tensor features = backbone_->forward(images, training);
    return {.features = features, .projections = classifier_.forward(features)};
  }
  std::int64_t feature_dim() const override { return backbone_->feature_dim(); }
  std::int64_t dim() const override { return classifier_.weight.shape()[0]; }
  models::Backbone& backbone() const { return *backbone_; }

  void list_state(nn::StateList& list) const override {
    {
      const nn::StateList::Scope scope(list, "backbone");
      backbone_->list_state(list);
    }
    const nn::StateList::Scope scope(list, "classifier");
    classifier_.list_state(list);
  }

  std::unique_ptr<Network> clone() const override {
    nn::Linear classifier = classifier_;  // shares its tensors
    classifier.weight = classifier_.weight.clone().set_requires_grad(true);
    classifier.bias = classifier_.bias.clone().set_requires_grad(true);
    return std::make_unique<ClassifierNetwork>(classifier, backbone_->clone());
  }

 private:
  std::unique_ptr<models::Backbone> backbone_;
  nn::Linear classifier_;
};

class Supervised final : public SupervisedMethod {
 public:
  Supervised(const SupervisedOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(supervised_recipe(context.image_size), 1, context)),
        network_{classifier(context), std::move(context.backbone)} {}  // in this order: braces

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return network_.feature_dim(); }
  models::Backbone& backbone() override { return network_.backbone(); }
  const Network& network() const override { return network_; }
  void list_state(nn::StateList& list) const override { network_.list_state(list); }

  StepOutput loss(const Views& /*views*/, Pass /*pass*/) override {
    throw std::invalid_argument("supervised: loss() has no labels, call supervised_loss()");
  }

  StepOutput supervised_loss(const Views& views, const SupervisedLabels& labels, Pass pass) override {
    check_views("supervised", views, 1);
    const Network::Rows rows = network_.forward(views.images, pass != Pass::frozen);
    const Tensor embedding = joint_embedding({rows.features});
    return {.loss = supervised_cross_entropy(rows.projections, labels, options_.label_smoothing),
            .embedding = embedding,
            .features = {{rows.features}},
            .projections = {{rows.projections}},
            .metrics = {{"collapse_std", collapse_std(embedding)}}};
  }

 private:
  SupervisedOptions options_;
  ViewPlan plan_;
  ClassifierNetwork network_;
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
