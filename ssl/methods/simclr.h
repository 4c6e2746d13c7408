#pragma once
// SimCLR: each view finds its partner among all views of the batch. docs/methods/simclr.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct SimClrOptions {
  std::int64_t views = 2;
  std::int64_t hidden = 512;
  std::int64_t dim = 128;
  float temperature = 0.5F;
  bool hidden_bias = false;  // bias of the Linear layer that a batch norm follows

  OptionSet bind();
};

std::unique_ptr<Method> make_simclr(MethodContext context);

}  // namespace nagare::ssl
