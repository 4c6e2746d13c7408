#pragma once
// Backbone and projector: what every joint-embedding method trains, and the slow copy of it that some learn from.
#include <memory>
#include <vector>

#include "models/backbone.h"
#include "models/mlp.h"
#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

// What an encoder makes of every view: V of (B, F) and V of (B, D).
struct EncodedViews {
  std::vector<Tensor> features;
  std::vector<Tensor> projections;
};

class Encoder final : public Network {
 public:
  // projector.widths.front() is the backbone's feature_dim().
  Encoder(std::unique_ptr<models::Backbone> backbone, models::MlpOptions projector);

  Rows forward(const Tensor& images, bool training) const override;
  // One view after the other, so that batch-norm statistics are each view's own.
  EncodedViews forward_views(const Views& views, Pass pass) const;
  std::int64_t feature_dim() const override { return options_.widths.front(); }
  std::int64_t dim() const override { return options_.widths.back(); }
  const models::MlpOptions* projector() const override { return &options_; }
  models::Backbone& backbone() const { return *backbone_; }
  // Parameters and buffers under "backbone." and "projector.".
  void list_state(nn::StateList& list) const override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<Encoder>(copy()); }
  Encoder copy() const;

 private:
  models::MlpOptions options_;
  std::unique_ptr<models::Backbone> backbone_;
  models::Mlp projector_;
};

// Takes the backbone out of `context`.
Encoder encoder_of(MethodContext& context, const models::MlpOptions& projector);

// A teacher: an encoder whose weights are a moving average of another's. No gradient reaches it, and its batch norms
// use the statistics of the batch at hand.
//
//   teacher = decay teacher + (1 - decay) student      parameters only; running statistics are its own
//
// source  He et al., CVPR 2020 (momentum encoder); Grill et al., NeurIPS 2020 (target network)
class Teacher {
 public:
  explicit Teacher(const Encoder& student) : encoder_(student.copy()) {}

  // Projections, without history; Pass::frozen takes the running statistics.
  Tensor forward(const Tensor& images, Pass pass) const;
  std::vector<Tensor> forward_views(const Views& views, Pass pass) const;
  void follow(const Encoder& student, double decay);
  // Under "teacher.", all as buffers: an optimiser must not touch them.
  void list_state(nn::StateList& list) const;

 private:
  Encoder encoder_;
};

}  // namespace nagare::ssl
