#include "ssl/losses/byol.h"

#include "engine/ops/elementwise.h"

namespace nagare::ssl {

Tensor byol_loss(const PredictedView& first, const PredictedView& second) {
  check_predicted_views("byol_loss", first, second);
  return add_scalar(add(mean_prediction_cosine(first.prediction, second.projection, -2.0F),
                        mean_prediction_cosine(second.prediction, first.projection, -2.0F)),
                    4.0F);
}

}  // namespace nagare::ssl
