#pragma once
// MoCo v2: queries against the keys of a momentum encoder, those of this batch and those of a queue. docs/methods/moco.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct MocoOptions {
  std::int64_t hidden = 2048;  // of the projector
  std::int64_t dim = 128;
  bool hidden_norm = false;  // batch norm in the projector
  float temperature = 0.2F;
  std::int64_t queue = 4096;  // keys
  float momentum = 0.99F;     // of the key encoder, constant
  bool symmetric = true;      // either view is query and key

  OptionSet bind();
};

std::unique_ptr<Method> make_moco(MethodContext context);

}  // namespace nagare::ssl
