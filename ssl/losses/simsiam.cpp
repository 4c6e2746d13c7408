#include "ssl/losses/simsiam.h"

#include "engine/ops/elementwise.h"

namespace nagare::ssl {

Tensor simsiam_loss(const PredictedView& first, const PredictedView& second) {
  check_predicted_views("simsiam_loss", first, second);
  return add(mean_prediction_cosine(first.prediction, second.projection, -0.5F),
             mean_prediction_cosine(second.prediction, first.projection, -0.5F));
}

}  // namespace nagare::ssl
