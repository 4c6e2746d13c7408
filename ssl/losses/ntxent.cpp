#include "ssl/losses/ntxent.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "ssl/losses/masks.h"

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
  const std::int64_t rows = z.shape()[0];  // M
  const std::int64_t batch = rows / options.views;
  const Tensor wide = cast(z, DType::f32);
  const Tensor unit = options.normalize ? l2_normalize(wide) : wide;
  const Tensor logits =
      scale(matmul(unit, unit, {.transpose_b = true}), 1.0F / options.temperature);  // (M, M)

  const Tensor others =
      logit_mask({rows, rows}, z.device(), [](MaskEntry at) { return at.row != at.column; });
  const Tensor partners = logit_mask({rows, rows}, z.device(), [batch](MaskEntry at) {
    return at.row != at.column && at.row % batch == at.column % batch;
  });
  return mean(subtract(log_sum_exp(add(logits, others)), log_sum_exp(add(logits, partners))));
}

}  // namespace nagare::ssl
