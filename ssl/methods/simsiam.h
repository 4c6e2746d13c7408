#pragma once
// SimSiam: two views, a predictor on one side, a stopped gradient on the other. docs/methods/simsiam.md
#include <memory>

#include "ssl/core/method.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct SimSiamOptions {
  std::int64_t projector_layers = 2;  // 2: the CIFAR variant, 3: the ImageNet one
  std::int64_t hidden = 2048;
  std::int64_t dim = 2048;  // of projection and prediction
  std::int64_t predictor_hidden = 512;
  bool hidden_bias = false;       // biases of Linear layers that a batch norm follows
  bool last_norm_affine = false;  // scale and shift of the projector's last batch norm

  OptionSet bind();
};

std::unique_ptr<Method> make_simsiam(MethodContext context);

}  // namespace nagare::ssl
