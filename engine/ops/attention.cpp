#include "engine/ops/attention.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/softmax.h"

namespace nagare {

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  check_activation("scaled_dot_product_attention", q);
  check_same_kind("scaled_dot_product_attention", k, v);
  const Shape& a = q.shape();
  const Shape& b = k.shape();
  if (a.rank() != 4 || b.rank() != 4 || a[0] != b[0] || a[1] != b[1] || a[3] != b[3] || a[3] == 0) {
    throw std::invalid_argument("scaled_dot_product_attention: q " + to_string(a) + ", k and v " +
                                to_string(b) + ": need (B, heads, T, d), equal in all but T");
  }
  const Tensor scores = matmul(q, k, {.transpose_b = true});  // (B, heads, T of q, T of k)
  const Tensor weights = softmax(cast(scores, DType::f32), std::sqrt(static_cast<float>(a[3])));
  return matmul(cast(weights, q.dtype()), v);
}

}  // namespace nagare
