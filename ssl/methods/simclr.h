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
  float jitter = 0.0F;  // strength s of the colour jitter 0.8 s, 0.8 s, 0.8 s, 0.2 s; 0: by the images' size
  bool hidden_norm = true;   // batch norm in the projector
  bool hidden_bias = false;  // of its first Linear layer, which a batch norm follows
  bool output_bias = true;   // of its last one

  OptionSet bind();
};

std::unique_ptr<Method> make_simclr(MethodContext context);

}  // namespace nagare::ssl
