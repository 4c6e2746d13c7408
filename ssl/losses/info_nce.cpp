#include "ssl/losses/info_nce.h"

#include <stdexcept>

#include "engine/ops/contrastive.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {
namespace {

Tensor unit(const Tensor& x) { return l2_normalize(cast(x, DType::f32)); }

}  // namespace

Tensor queue_info_nce(const Tensor& q, const Tensor& k, const Tensor& queue, float temperature) {
  return mean(contrast_with_own(unit(q), unit(k.detach()), cast(queue.detach(), DType::f32), temperature));
}

Tensor paired_info_nce(const Tensor& a, const Tensor& b, float temperature) {
  if (a.shape() != b.shape()) {
    throw std::invalid_argument("paired_info_nce: " + to_string(a.shape()) + " and " + to_string(b.shape()) +
                                ": need the same shape, as row i belongs to row i");
  }
  return mean(
      contrast_rows(unit(a), unit(b),
                    {.temperature = temperature, .row_period = a.shape()[0], .column_period = a.shape()[0]}));
}

Tensor moco_v3_loss(const QueryAndKey& first, const QueryAndKey& second, float temperature) {
  return scale(add(paired_info_nce(first.query, second.key.detach(), temperature),
                   paired_info_nce(second.query, first.key.detach(), temperature)),
               2.0F * temperature);
}

}  // namespace nagare::ssl
