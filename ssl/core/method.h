#pragma once
// A self-supervised method: which views it wants, what loss it takes, what it keeps between steps.
//
// The method owns its backbone and heads. The training loop calls, for every step:
//   views = augment(batch, view_plan())  ->  loss(views)  ->  backward, optimiser step  ->  after_step(...)
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/nn/state.h"
#include "models/backbone.h"
#include "ssl/augment/view_plan.h"
#include "ssl/core/batch.h"

namespace nagare::models {
struct MlpOptions;
}

namespace nagare::ssl {

struct Progress {
  std::int64_t step = 0;         // optimiser steps done before this one, in the whole run
  std::int64_t total_steps = 0;  // planned from `start` on
  std::int64_t start = 0;  // the step at which schedules began: the run's first, or the task's (TrainOptions)

  std::int64_t since_start() const { return step - start; }
};

// The images of one update: those that arrive, and those that the strategy puts beside them.
struct UpdateSize {
  std::int64_t arriving = 0;
  std::int64_t replayed = 0;

  std::int64_t total() const { return arriving + replayed; }
};

// Which pass of a loss this is. The second and third are for strategies, before or after the step's own.
enum class Pass {
  step,    // the one that the step learns from: batch statistics; what after_step() needs is kept
  extra,   // other images: batch statistics, which move the running ones; nothing is left for after_step()
  frozen,  // running statistics instead of the batch's, and nothing moves
};

// The trained network up to the projections: images -> backbone -> projector (or classifier).
class Network {
 public:
  struct Rows {
    Tensor features;     // (N, F)
    Tensor projections;  // (N, dim()), as StepOutput::projections
  };

  virtual ~Network() = default;
  // images    (N, S, S, 3)
  // training  batch statistics, which move the running ones; or running statistics as they are
  virtual Rows forward(const Tensor& images, bool training) const = 0;
  virtual std::int64_t feature_dim() const = 0;
  virtual std::int64_t dim() const = 0;
  // The shape of what stands behind the backbone, where that is an Mlp, under "projector." in the list; else nullptr.
  virtual const models::MlpOptions* projector() const { return nullptr; }
  // Parameters and buffers, under the names that they have in the method's list.
  virtual void list_state(nn::StateList& list) const = 0;
  // The same network with a copy of its state.
  virtual std::unique_ptr<Network> clone() const = 0;
};

// The loss in which a distillation of a method's projections is taken, so that it does to them what the method does
// (docs/strategies/cassle.md).
enum class DistilledAs { cosine, contrastive, barlow, mse, prototypes };

// What a strategy may need to know of a method before there is one; a column of the table of methods.
struct MethodTraits {
  bool labels = false;        // learns from labels
  bool single_image = false;  // its loss, with running statistics, is defined image by image
  bool queue = false;         // keeps keys of earlier batches: a KeyedMethod
  bool projector = true;      // two views or more, and projections that are not a classifier's logits
  DistilledAs distilled_as = DistilledAs::cosine;
};

class Method {
 public:
  virtual ~Method() = default;

  virtual const ViewPlan& view_plan() const = 0;
  // Width of StepOutput::embedding.
  virtual std::int64_t embedding_dim() const = 0;
  // Before training, with the largest update that there will be. BadConfig where the method cannot take so many images.
  // Default: any will do.
  virtual void check_update(const UpdateSize& /*largest*/) const {}
  // Before every step: what changes with the schedules. Default: nothing.
  virtual void before_step(const Progress& /*progress*/) {}
  // Forward pass and loss, recorded on the tape.
  virtual StepOutput loss(const Views& views, Pass pass) = 0;
  // After the optimiser's update: momentum networks, queues, centres. Default: nothing.
  virtual void after_step(const Progress& /*progress*/) {}
  // Every parameter and buffer: backbone under "backbone.", heads under "projector.", "predictor.", ...
  virtual void list_state(nn::StateList& list) const = 0;
  // The network that is evaluated.
  virtual models::Backbone& backbone() = 0;
  // Backbone and what makes the projections; shares its tensors with list_state().
  virtual const Network& network() const = 0;
};

// A method with a queue of keys, as a strategy that keeps another queue sees it.
class KeyedMethod : public Method {
 public:
  struct Pair {
    Tensor query;           // (B, D), with history
    Tensor key;             // (B, D) f32 unit rows: the momentum encoder's, of another view of the same image
    std::int64_t view = 0;  // the query's
  };
  // Of the step under way, between loss() and after_step().
  virtual std::vector<Pair> pairs() const = 0;
  virtual const Tensor& queue() const = 0;  // (K, D) f32
  virtual float temperature() const = 0;
  // The momentum encoder's parameters become those of the trained network.
  virtual void restart_keys() = 0;
};

// A method that compares its projections, as unit rows, with prototypes.
class PrototypeMethod : public Method {
 public:
  virtual Tensor prototypes() const = 0;  // (K, D) f32 unit rows, without history
};

// The only kind of method that is given labels: the supervised baseline.
class SupervisedMethod : public Method {
 public:
  virtual StepOutput supervised_loss(const Views& views, const SupervisedLabels& labels, Pass pass) = 0;
};

}  // namespace nagare::ssl
