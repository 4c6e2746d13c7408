#include "ssl/losses/predicted_view.h"

#include <stdexcept>

#include "engine/ops/cosine.h"
#include "engine/ops/elementwise.h"

namespace nagare::ssl {

void check_predicted_views(const char* loss, const PredictedView& first, const PredictedView& second) {
  const Shape& shape = first.prediction.shape();
  const bool alike = shape == second.prediction.shape() && shape == first.projection.shape() &&
                     shape == second.projection.shape();
  if (!alike || shape.rank() != 2 || shape.numel() == 0) {
    throw std::invalid_argument(
        std::string(loss) + ": predictions " + to_string(shape) + " and " +
        to_string(second.prediction.shape()) + ", projections " + to_string(first.projection.shape()) +
        " and " + to_string(second.projection.shape()) + ", need four (B, D) alike, B and D >= 1");
  }
}

Tensor mean_prediction_cosine(const Tensor& prediction, const Tensor& projection, float weight) {
  const bool same_type = prediction.dtype() == projection.dtype();
  return mean_cosine(same_type ? prediction : cast(prediction, DType::f32),
                     same_type ? projection.detach() : cast(projection.detach(), DType::f32),
                     {.weight = weight});
}

}  // namespace nagare::ssl
