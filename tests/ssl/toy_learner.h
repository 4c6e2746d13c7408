#pragma once
// A training loop that can be worked by hand: images are one pixel, the network is one weight per channel, and the loss
// is linear in both.
//
//   view      (pixel - 128) / 64 of each channel, V times the same image
//   feature   f(x) = w . x,  (N, 1);  projection 10 f(x)
//   loss      mean over views and images of f(x): its gradient is the mean view
#include <memory>
#include <utility>
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl::test {

using Pixel = std::vector<std::uint8_t>;  // 3 channels

inline std::uint8_t pixel_of(double value) { return static_cast<std::uint8_t>(128 + 64 * value); }

class ToyBackbone final : public models::Backbone {
 public:
  explicit ToyBackbone(const std::vector<float>& weight) : weight_(Tensor::from(weight, {1, 3})) {
    weight_.set_requires_grad(true);
  }
  Tensor forward(const Tensor& images, bool /*training*/) override {
    return linear(images.reshaped({images.shape()[0], 3}), weight_, {});
  }
  std::int64_t feature_dim() const override { return 1; }
  void list_state(nn::StateList& list) const override { list.add("w", weight_, nn::Role::weight); }
  std::unique_ptr<models::Backbone> clone() const override {
    return std::make_unique<ToyBackbone>(weight_.to_vector<float>());
  }

 private:
  Tensor weight_;
};

class ToyNetwork final : public Network {
 public:
  explicit ToyNetwork(std::unique_ptr<models::Backbone> backbone) : backbone_(std::move(backbone)) {}
  Rows forward(const Tensor& images, bool training) const override {
    const Tensor features = backbone_->forward(images, training);
    return {.features = features, .projections = scale(features, 10.0F)};
  }
  std::int64_t feature_dim() const override { return 1; }
  std::int64_t dim() const override { return 1; }
  models::Backbone& backbone() const { return *backbone_; }
  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "backbone");
    backbone_->list_state(list);
  }
  std::unique_ptr<Network> clone() const override { return std::make_unique<ToyNetwork>(backbone_->clone()); }

 private:
  std::unique_ptr<models::Backbone> backbone_;
};

class ToyMethod final : public Method {
 public:
  explicit ToyMethod(std::int64_t views)
      : network_(std::make_unique<ToyBackbone>(std::vector<float>{0.0F, 0.0F, 0.0F})) {
    plan_.views.resize(static_cast<std::size_t>(views), {.size = 1});
  }
  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return 1; }
  StepOutput loss(const Views& views, Pass /*pass*/) override {
    const Network::Rows rows = network_.forward(views.images, true);
    return {.loss = mean(rows.features),
            .embedding = {},
            .features = {{rows.features}},
            .projections = {{rows.projections}}};
  }
  void list_state(nn::StateList& list) const override { network_.list_state(list); }
  models::Backbone& backbone() override { return network_.backbone(); }
  const Network& network() const override { return network_; }

 private:
  ViewPlan plan_;
  ToyNetwork network_;
};

class ToyLearner final : public Learner {
 public:
  // pixels[id]: the training set. The strategy is attached here.
  ToyLearner(Strategy& strategy, std::vector<Pixel> pixels, std::int64_t views = 1, std::int64_t tasks = 2)
      : strategy_(strategy), pixels_(std::move(pixels)), tasks_(tasks), method_(views) {
    strategy_.attach(*this);
  }

  Method& method() override { return method_; }
  DType precision() const override { return DType::f32; }
  std::int64_t tasks() const override { return tasks_; }
  std::int64_t train_images() const override { return static_cast<std::int64_t>(pixels_.size()); }

  Batch read(const std::vector<std::int64_t>& ids) const override {
    std::vector<std::uint8_t> values;
    for (const std::int64_t id : ids) {
      const Pixel& pixel = pixels_.at(static_cast<std::size_t>(id));
      values.insert(values.end(), pixel.begin(), pixel.end());
    }
    return {.images = Tensor::from(values, {static_cast<std::int64_t>(ids.size()), 1, 1, 3}), .ids = ids};
  }

  Views views(const Batch& batch, const ViewPlan& plan, std::int64_t /*step*/,
              std::int64_t /*draw*/) const override {
    std::vector<float> values;
    for (std::size_t v = 0; v < plan.views.size(); ++v) {
      for (const std::uint8_t pixel :
           batch.images.reshaped({batch.images.numel()}).to_vector<std::uint8_t>()) {
        values.push_back((static_cast<float>(pixel) - 128.0F) / 64.0F);
      }
    }
    const auto count = static_cast<std::int64_t>(batch.ids.size());
    const auto planned = static_cast<std::int64_t>(plan.views.size());
    return {.images = Tensor::from(values, {planned * count, 1, 1, 3}), .views = planned, .batch = count};
  }

  StepOutput extra_loss(const Views& views, const Batch& /*batch*/, Pass pass) override {
    passes.push_back(pass);
    return method_.loss(views, pass);
  }

  Tensor weight() {
    nn::StateList list;
    method_.list_state(list);
    return list.entries().front().tensor;
  }
  void set_weight(const std::vector<float>& values) { weight().copy_from(Tensor::from(values, {1, 3})); }
  Tensor state(const std::string& name) const {
    nn::StateList list;
    strategy_.list_state(list);
    return list.find(name)->tensor;
  }

  // What the training loop does with a batch whose images arrived, K = 1, plain gradient descent; the penalty's value.
  double train(const Batch& batch, double rate) {
    const Progress progress{.step = step_++, .total_steps = 1000};
    strategy_.arrive(batch);
    composed = strategy_.compose(batch, progress);
    mixed = strategy_.mix(views(composed, method_.view_plan(), progress.step, 0), composed, progress);
    const StepOutput output = method_.loss(mixed, Pass::step);
    const Update update{.batch = composed, .views = mixed, .output = output, .progress = progress};
    const Tensor penalty = strategy_.penalty(update);
    weight().clear_grad();
    tape::backward(penalty.defined() ? add(output.loss, penalty) : output.loss);
    strategy_.edit_gradients(update);
    gradient = weight().grad().to_vector<float>();
    weight().copy_from(subtract(weight().detach(), scale(weight().grad(), static_cast<float>(rate))));
    strategy_.after_step(update);
    strategy_.finish(batch);
    return penalty.defined() ? penalty.item() : 0.0;
  }

  Batch composed;
  Views mixed;
  std::vector<float> gradient;  // that the optimiser saw
  std::vector<Pass> passes;     // of extra_loss()

 private:
  Strategy& strategy_;
  std::vector<Pixel> pixels_;
  std::int64_t tasks_;
  ToyMethod method_;
  std::int64_t step_ = 0;
};

inline StrategyContext toy_context(const OptionValues& options = {}) {
  return {.capacity = 4,
          .replay = 2,
          .stream_batch = 2,
          .embedding_dim = 1,
          .image_shape = {1, 1, 3},
          .seed = 5,
          .options = options};
}

}  // namespace nagare::ssl::test
