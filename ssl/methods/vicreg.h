#pragma once
// VICReg: two views agree while every dimension varies and no two say the same. docs/methods/vicreg.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/losses/vicreg.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct VicRegOptions {
  std::int64_t projector_layers = 3;
  std::int64_t hidden = 2048;
  std::int64_t dim = 2048;
  bool hidden_bias = true;   // of the Linear layers that a batch norm follows
  bool output_bias = false;  // of the last one
  VicReg loss;

  OptionSet bind();
};

std::unique_ptr<Method> make_vicreg(MethodContext context);

}  // namespace nagare::ssl
