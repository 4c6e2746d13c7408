#include "ssl/losses/supcon.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/contrastive.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {

Tensor supcon_loss(const Tensor& z, const SupervisedLabels& labels, const SupCon& options) {
  if (!(options.base_temperature > 0.0F && std::isfinite(options.base_temperature))) {
    throw std::invalid_argument("supcon_loss: base temperature " + std::to_string(options.base_temperature) +
                                ": need a positive, finite one");
  }
  const Tensor losses = contrast_among(l2_normalize(cast(z, DType::f32)),
                                       {.temperature = options.temperature, .row_labels = labels.classes});
  return scale(mean(losses), options.temperature / options.base_temperature);
}

}  // namespace nagare::ssl
