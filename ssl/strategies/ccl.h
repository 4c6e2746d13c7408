#pragma once
// Continual contrastive learning: MoCo with exemplars, a second queue of their keys, and a teacher that says which exemplars
// an exemplar resembles. docs/strategies/ccl.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct CclOptions {
  std::string selection = "min-var";  // of exemplars; random: the paper's simple replay
  std::int64_t groups = 10;           // of a task's images, by k-means; as many as it has classes
  std::int64_t views = 6;             // whose variance is taken, beside the anchor
  std::int64_t queue = 256;           // keys of exemplars; at most as many as the method's own queue has
  float queue_strength = 0.1F;
  float distil_strength = 0.1F;
  float teacher_temperature = 0.04F;
  float student_temperature = 0.07F;
  float teacher_momentum = 0.996F;  // share of the teacher that a pass over the task keeps
  std::string norm = "batch";       // batch-norm statistics of the teacher: the batch's, or its own

  OptionSet bind();
};

std::unique_ptr<Strategy> make_ccl(const StrategyContext& context);

}  // namespace nagare::ssl
