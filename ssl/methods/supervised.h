#pragma once
// The supervised baseline: a linear classifier on the backbone, trained with labels.
// docs/methods/supervised.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct SupervisedOptions {
  float label_smoothing = 0.0F;

  OptionSet bind();
};

// A SupervisedMethod. Needs context.classes >= 2 (BadConfig).
std::unique_ptr<Method> make_supervised(MethodContext context);

}  // namespace nagare::ssl
