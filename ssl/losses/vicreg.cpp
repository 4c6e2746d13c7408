#include "ssl/losses/vicreg.h"

#include <stdexcept>

#include "engine/ops/elementwise.h"
#include "engine/ops/variance_covariance.h"

namespace nagare::ssl {

VicRegLoss vicreg_loss(const Tensor& x, const Tensor& y, const VicReg& options) {
  if (x.shape().rank() != 2 || x.shape() != y.shape() || x.shape()[0] < 2) {
    throw std::invalid_argument("vicreg_loss: x " + to_string(x.shape()) + ", y " + to_string(y.shape()) +
                                ": need two (B, D) alike, B >= 2");
  }
  const float share = options.halved ? 0.5F : 1.0F;
  const VarianceCovarianceTerms terms =
      variance_covariance_loss(x, y,
                               {.invariance_weight = options.similarity_weight,
                                .variance_weight = options.deviation_weight * share,
                                .covariance_weight = options.covariance_weight,
                                .epsilon = options.epsilon});
  return {.loss = terms.loss,
          .similarity = terms.invariance,
          .deviation = scale(terms.variance, share),
          .covariance = terms.covariance};
}

}  // namespace nagare::ssl
