#include "ssl/losses/ntxent.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/contrastive.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {

Tensor ntxent_loss(const Tensor& z, const NtXent& options) {
  const bool matrix = z.shape().rank() == 2 && z.numel() > 0;
  if (!matrix || options.views < 2 || z.shape()[0] % options.views != 0 ||
      !(options.temperature > 0.0F && std::isfinite(options.temperature))) {
    throw std::invalid_argument("ntxent_loss: z " + to_string(z.shape()) + ", " +
                                std::to_string(options.views) + " views, temperature " +
                                std::to_string(options.temperature) +
                                ": need (views * B, D) with views >= 2 and a positive, finite temperature");
  }
  const Tensor wide = cast(z, DType::f32);
  const Tensor unit = options.normalize ? l2_normalize(wide) : wide;
  return mean(contrast_among(
      unit, {.temperature = options.temperature,
             .positives = options.views == 2 ? ContrastivePositives::averaged : ContrastivePositives::summed,
             .row_period = z.shape()[0] / options.views}));
}

}  // namespace nagare::ssl
