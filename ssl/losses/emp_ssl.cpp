#include "ssl/losses/emp_ssl.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/coding_rate.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {
namespace {

constexpr float kNormFloor = 1e-8F;

// z in f32, once its shape has been looked at.
Tensor checked(const char* who, const Tensor& z) {
  if (z.shape().rank() != 3 || z.numel() == 0) {
    throw std::invalid_argument(std::string(who) + ": z " + to_string(z.shape()) +
                                ", need (patches, batch, dim), all at least 1");
  }
  return cast(z, DType::f32);
}

}  // namespace

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
  const Tensor wide = checked("tcr_loss", z);
  return scale(mean(coding_rate(wide, rate.alpha(z.shape()[1], z.shape()[2]))), -1.0F);
}

// The mean over patches of unit vectors, dotted with the unit mean: no broadcast over the patches is needed.
Tensor patch_similarity(const Tensor& z) {
  const Tensor wide = checked("patch_similarity", z);
  const Tensor direction = l2_normalize(mean_outer(wide), kNormFloor);  // (b, d)
  const Tensor mean_unit = mean_outer(l2_normalize(wide, kNormFloor));  // (b, d)
  return mean(sum_columns(multiply(mean_unit, direction)));
}

EmpLoss emp_ssl_loss(const Tensor& z, const EmpSsl& options) {
  const Tensor similarity = patch_similarity(z);
  const Tensor tcr = tcr_loss(z, options.rate);
  return {.loss = add(scale(similarity, -options.similarity_weight), scale(tcr, options.tcr_weight)),
          .invariance = similarity.detach(),
          .tcr = tcr.detach()};
}

}  // namespace nagare::ssl
