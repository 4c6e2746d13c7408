#pragma once
// Barlow Twins: each dimension of two views agrees with itself and with no other. docs/methods/barlow.md
#include <memory>
#include <string>

#include "ssl/core/method.h"
#include "ssl/losses/barlow.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct BarlowOptions {
  std::int64_t projector_layers = 3;
  std::int64_t hidden = 2048;
  std::int64_t dim = 2048;
  bool bias = false;         // of every Linear layer of the projector
  bool output_norm = false;  // an affine batch norm behind the projector
  std::string views = "asymmetric";
  Barlow loss = {.lambda = 0.005F, .scale = 0.1F};

  OptionSet bind();
};

std::unique_ptr<Method> make_barlow(MethodContext context);

}  // namespace nagare::ssl
