#include "ssl/losses/cassle.h"

#include "engine/ops/elementwise.h"

namespace nagare::ssl {

Tensor cassle_byol_loss(const PredictedView& first, const PredictedView& second) {
  check_predicted_views("cassle_byol_loss", first, second);
  return add_scalar(add(mean_prediction_cosine(first.prediction, first.projection, -1.0F),
                        mean_prediction_cosine(second.prediction, second.projection, -1.0F)),
                    2.0F);
}

Tensor cassle_barlow_loss(const PredictedView& first, const PredictedView& second, const Barlow& options) {
  check_predicted_views("cassle_barlow_loss", first, second);
  Barlow half = options;
  half.scale *= 0.5F;
  return add(barlow_loss(first.prediction, first.projection.detach(), half),
             barlow_loss(second.prediction, second.projection.detach(), half));
}

}  // namespace nagare::ssl
