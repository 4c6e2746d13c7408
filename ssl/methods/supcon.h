#pragma once
// SupCon: the contrastive loss with labels; rows of one class attract each other. docs/methods/supcon.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct SupConOptions {
  std::int64_t views = 2;
  std::int64_t hidden = 512;  // of the projector
  std::int64_t dim = 128;
  float temperature = 0.1F;
  float base_temperature = 0.07F;

  OptionSet bind();
};

// A SupervisedMethod.
std::unique_ptr<Method> make_supcon(MethodContext context);

}  // namespace nagare::ssl
