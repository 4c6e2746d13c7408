#include "ssl/losses/barlow.h"

#include <stdexcept>

#include "engine/ops/cross_correlation.h"

namespace nagare::ssl {

Tensor barlow_loss(const Tensor& x, const Tensor& y, const Barlow& options) {
  if (x.shape().rank() != 2 || x.shape() != y.shape() || x.shape()[0] < 2) {
    throw std::invalid_argument("barlow_loss: x " + to_string(x.shape()) + ", y " + to_string(y.shape()) +
                                ": need two (B, D) alike, B >= 2");
  }
  return cross_correlation_loss(x, y,
                                {.lambda = options.lambda,
                                 .weight = options.scale,
                                 .epsilon = options.epsilon,
                                 .unbiased = options.unbiased});
}

}  // namespace nagare::ssl
