#include "ssl/losses/ccl.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/softmax.h"

namespace nagare::ssl {
namespace {

Tensor unit(const Tensor& rows) { return l2_normalize(cast(rows, DType::f32)); }

Tensor logits(const ResemblingRows& rows) {
  return scale(matmul(unit(rows.queries), unit(rows.exemplars), {.transpose_b = true}),
               1.0F / rows.temperature);
}

}  // namespace

Tensor ccl_distillation_loss(const ResemblingRows& student, const ResemblingRows& teacher) {
  const Tensor wanted = logits(teacher).detach();
  const Tensor probabilities = softmax(wanted);
  return subtract(soft_cross_entropy(logits(student), probabilities),
                  soft_cross_entropy(wanted, probabilities));
}

}  // namespace nagare::ssl
