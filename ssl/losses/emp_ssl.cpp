#include "ssl/losses/emp_ssl.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/coding_rate.h"
#include "engine/ops/cosine.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {
float CodingRate::alpha(std::int64_t batch, std::int64_t dim) const {
  if (!(epsilon > 0.0F && std::isfinite(epsilon)) || batch < 1) {
    throw std::invalid_argument("coding rate: epsilon " + std::to_string(epsilon) + ", batch " +
                                std::to_string(batch) +
                                ": need a positive, finite epsilon and a batch of at least 1");
  }
  const double distortion = epsilon_squared ? static_cast<double>(epsilon) * epsilon : epsilon;
  return static_cast<float>(static_cast<double>(dim) / (static_cast<double>(batch) * distortion));
}

Tensor tcr_loss(const Tensor& z, const CodingRate& rate) {
  if (z.shape().rank() != 3 || z.numel() == 0) {
    throw std::invalid_argument("tcr_loss: z " + to_string(z.shape()) +
                                ", need (patches, batch, dim), all at least 1");
  }
  return scale(mean(coding_rate(z, rate.alpha(z.shape()[1], z.shape()[2]))), -1.0F);
}

Tensor patch_similarity(const Tensor& z) { return mean_patch_cosine(z); }

EmpLoss emp_ssl_loss(const Tensor& z, const EmpSsl& options) {
  const float weight = options.similarity_weight;
  // The weight goes into the op, so that its gradient needs no further pass; the log gets what it was before.
  const Tensor weighted = mean_patch_cosine(z, {.weight = -weight});
  const Tensor similarity =
      weight != 0.0F ? scale(weighted.detach(), -1.0F / weight) : patch_similarity(z.detach());
  const Tensor tcr = tcr_loss(z, options.rate);
  return {
      .loss = add(weighted, scale(tcr, options.tcr_weight)), .invariance = similarity, .tcr = tcr.detach()};
}

}  // namespace nagare::ssl
