#pragma once
// What a strategy may use of the training loop that it is part of.
#include <cstdint>
#include <vector>

#include "ssl/augment/view_plan.h"
#include "ssl/core/batch.h"
#include "ssl/core/method.h"

namespace nagare::ssl {

class Learner {
 public:
  virtual ~Learner() = default;

  virtual Method& method() = 0;
  // Element type of views.
  virtual DType precision() const = 0;
  virtual std::int64_t tasks() const = 0;

  // Random views of raw images. The step's own views are draw 0; a strategy numbers its own from 1, so that an image
  // that is there twice gets other views. 0 <= draw < 65536.
  virtual Views views(const Batch& batch, const ViewPlan& plan, std::int64_t step,
                      std::int64_t draw) const = 0;
  // The method's loss on images other than the step's. A supervised method gets the labels of batch.ids, which the
  // strategy never sees.
  virtual StepOutput extra_loss(const Views& views, const Batch& batch, Pass pass) = 0;

  // Training images by their ids: for strategies that pass over a task again. Only ids that have arrived may be asked for.
  virtual Batch read(const std::vector<std::int64_t>& ids) const = 0;
  // Images of the training set, frames of runs counted: ids are below it.
  virtual std::int64_t train_images() const = 0;
};

}  // namespace nagare::ssl
