#pragma once
// A self-supervised method: which views it wants, what loss it takes, what it keeps between steps.
//
// The method owns its backbone and heads. The training loop calls, for every step:
//   views = augment(batch, view_plan())  ->  loss(views)  ->  backward, optimiser step  ->  after_step(...)
#include <cstdint>

#include "engine/nn/state.h"
#include "models/backbone.h"
#include "ssl/augment/view_plan.h"
#include "ssl/core/batch.h"

namespace nagare::ssl {

struct Progress {
  std::int64_t step = 0;         // optimiser steps done before this one
  std::int64_t total_steps = 0;  // planned for the whole run
};

class Method {
 public:
  virtual ~Method() = default;

  virtual const ViewPlan& view_plan() const = 0;
  // Width of StepOutput::embedding.
  virtual std::int64_t embedding_dim() const = 0;
  // Training-mode forward pass and loss, recorded on the tape.
  virtual StepOutput loss(const Views& views) = 0;
  // After the optimiser's update: momentum networks, queues, centres. Default: nothing.
  virtual void after_step(const Progress& /*progress*/) {}
  // Every parameter and buffer: backbone under "backbone.", heads under "projector.", "predictor.", ...
  virtual void list_state(nn::StateList& list) const = 0;
  // The network that is evaluated.
  virtual models::Backbone& backbone() = 0;
};

// The only kind of method that is given labels: the supervised baseline.
class SupervisedMethod : public Method {
 public:
  virtual StepOutput supervised_loss(const Views& views, const SupervisedLabels& labels) = 0;
};

}  // namespace nagare::ssl
