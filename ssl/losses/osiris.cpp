#include "ssl/losses/osiris.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"

namespace nagare::ssl {
namespace {

void check(const char* who, const Tensor& a, const Tensor& b) {
  const auto pairs = [](const Tensor& x) {
    return x.shape().rank() == 2 && x.shape()[0] >= 2 && x.shape()[0] % 2 == 0;
  };
  if (pairs(a) && pairs(b) && a.shape()[1] == b.shape()[1]) return;
  throw std::invalid_argument(std::string(who) + ": rows " + to_string(a.shape()) + " and " +
                              to_string(b.shape()) + ", need (2 n, D) and (2 m, D)");
}

Tensor unit(const Tensor& rows) { return l2_normalize(cast(rows, DType::f32)); }

Tensor similarities(const Tensor& a, const Tensor& b, float temperature) {
  return scale(matmul(a, b, {.transpose_b = true}), 1.0F / temperature);
}

// s(a_r, b_r) for every row: (n).
Tensor of_same_row(const Tensor& a, const Tensor& b, float temperature) {
  return scale(sum_columns(multiply(a, b)), 1.0F / temperature);
}

Tensor views_swapped(const Tensor& rows) {
  const std::int64_t half = rows.shape()[0] / 2;
  return concat({slice(rows, 0, half, half), slice(rows, 0, 0, half)}, 0);
}

Tensor against(const Tensor& a, const Tensor& b, float temperature) {
  const Tensor positive = of_same_row(a, views_swapped(a), temperature);
  const Tensor all = concat({reshape(positive, {positive.numel(), 1}), similarities(a, b, temperature)}, 1);
  return mean(subtract(log_sum_exp(all), positive));
}

// -inf where the column is the other view of the row's image.
Tensor other_view_masked(std::int64_t rows, Device device) {
  std::vector<float> mask(static_cast<std::size_t>(rows * rows));
  for (std::int64_t r = 0; r < rows; ++r) {
    mask[static_cast<std::size_t>(r * rows + (r + rows / 2) % rows)] =
        -std::numeric_limits<float>::infinity();
  }
  return Tensor::from(mask, {rows, rows}, device);
}

Tensor same_row(const Tensor& a, const Tensor& b, const Tensor& mask, float temperature) {
  return mean(
      subtract(log_sum_exp(add(similarities(a, b, temperature), mask)), of_same_row(a, b, temperature)));
}

}  // namespace

Tensor osiris_cross_loss(const Tensor& a, const Tensor& b, float temperature) {
  check("osiris_cross_loss", a, b);
  const Tensor x = unit(a);
  const Tensor y = unit(b);
  return scale(add(against(x, y, temperature), against(y, x, temperature)), 0.5F);
}

Tensor osiris_distillation_loss(const Tensor& a, const Tensor& b, float temperature) {
  check("osiris_distillation_loss", a, b);
  if (a.shape() != b.shape()) {
    throw std::invalid_argument("osiris_distillation_loss: rows " + to_string(a.shape()) + " and " +
                                to_string(b.shape()) + ", need the same images");
  }
  const Tensor x = unit(a);
  const Tensor y = unit(b);
  const Tensor mask = other_view_masked(a.shape()[0], a.device());
  return scale(add(same_row(x, y, mask, temperature), same_row(y, x, mask, temperature)), 0.5F);
}

}  // namespace nagare::ssl
