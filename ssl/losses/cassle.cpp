#include "ssl/losses/cassle.h"

#include <stdexcept>

#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/normalize.h"
#include "engine/ops/softmax.h"
#include "engine/ops/variance_covariance.h"
#include "ssl/losses/info_nce.h"

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

Tensor cassle_mse_loss(const PredictedView& first, const PredictedView& second) {
  check_predicted_views("cassle_mse_loss", first, second);
  const auto half = [](const PredictedView& view) {
    return variance_covariance_loss(
               view.prediction, view.projection.detach(),
               {.invariance_weight = 0.5F, .variance_weight = 0.0F, .covariance_weight = 0.0F})
        .loss;
  };
  return add(half(first), half(second));
}

Tensor cassle_contrastive_loss(const PredictedView& all_views, float temperature) {
  const Tensor past = all_views.projection.detach();
  return scale(add(paired_info_nce(all_views.prediction, past, temperature),
                   paired_info_nce(past, all_views.prediction, temperature)),
               0.5F);
}

Tensor cassle_prototype_loss(const PredictedView& all_views, const PrototypePair& prototypes,
                             float temperature) {
  const Shape& rows = all_views.prediction.shape();
  const Shape& old = prototypes.old.shape();
  if (rows.rank() != 2 || rows != all_views.projection.shape() || old.rank() != 2 || old[1] != rows[1] ||
      old != prototypes.learned.shape() || !(temperature > 0.0F)) {
    throw std::invalid_argument("cassle_prototype_loss: predictions " + to_string(rows) + ", projections " +
                                to_string(all_views.projection.shape()) + ", prototypes " + to_string(old) +
                                " and " + to_string(prototypes.learned.shape()) + ", temperature " +
                                std::to_string(temperature) +
                                ": need (N, D) twice, (K, D) twice, a positive temperature");
  }
  const auto scores = [](const Tensor& x, const Tensor& unit_rows) {
    return linear(l2_normalize(cast(x, DType::f32)), unit_rows, {});  // (N, K)
  };
  const Tensor goal = softmax(scores(all_views.projection.detach(), prototypes.old.detach()), temperature);
  return soft_cross_entropy(scale(scores(all_views.prediction, prototypes.learned), 1.0F / temperature),
                            goal);
}

}  // namespace nagare::ssl
