#pragma once
// BYOL: an online network predicts what its own moving average makes of the other view. docs/methods/byol.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct ByolOptions {
  std::int64_t hidden = 4096;  // of projector and predictor
  std::int64_t dim = 256;      // of projection and prediction
  std::int64_t predictor_hidden = 4096;
  bool output_bias = false;  // of the last Linear layer of both heads
  float momentum = 0.99F;    // of the target network at the first step; 1 at the last

  OptionSet bind();
};

std::unique_ptr<Method> make_byol(MethodContext context);

}  // namespace nagare::ssl
