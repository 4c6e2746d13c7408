#include "ssl/losses/simsiam.h"

#include <stdexcept>

#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {
namespace {

constexpr float kNormFloor = 1e-8F;

// (B) cosines of predictions with constant targets.
Tensor cosines(const Tensor& prediction, const Tensor& projection) {
  const Tensor p = l2_normalize(cast(prediction, DType::f32), kNormFloor);
  const Tensor z = l2_normalize(cast(projection.detach(), DType::f32), kNormFloor);
  return sum_columns(multiply(p, z));
}

}  // namespace

Tensor simsiam_loss(const SimSiamView& first, const SimSiamView& second) {
  const Shape& shape = first.prediction.shape();
  const bool alike = shape == second.prediction.shape() && shape == first.projection.shape() &&
                     shape == second.projection.shape();
  if (!alike || shape.rank() != 2 || shape.numel() == 0) {
    throw std::invalid_argument(
        "simsiam_loss: predictions " + to_string(shape) + " and " + to_string(second.prediction.shape()) +
        ", projections " + to_string(first.projection.shape()) + " and " +
        to_string(second.projection.shape()) + ", need four (B, D) alike, B and D >= 1");
  }
  const Tensor cross = add(mean(cosines(first.prediction, second.projection)),
                           mean(cosines(second.prediction, first.projection)));
  return scale(cross, -0.5F);
}

}  // namespace nagare::ssl
