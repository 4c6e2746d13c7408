#include "ssl/losses/scale.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/softmax.h"

namespace nagare::ssl {
namespace {

constexpr float kItselfApart = 1000.0F;

using Positives = std::vector<std::vector<bool>>;

Tensor unit(const Tensor& rows) { return l2_normalize(cast(rows, DType::f32)); }

Tensor products(const Tensor& a, const Tensor& b, float temperature) {
  return scale(matmul(a, b, {.transpose_b = true}), 1.0F / temperature);
}

// (n, n): `value` on the diagonal, 0 elsewhere.
Tensor diagonal(std::int64_t n, float value, Device device) {
  std::vector<float> values(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) values[static_cast<std::size_t>(i * n + i)] = value;
  return Tensor::from(values, {n, n}, device);
}

Tensor infinite_diagonal(std::int64_t n, Device device) {
  return diagonal(n, -std::numeric_limits<float>::infinity(), device);
}

void check(const char* who, const Tensor& rows, std::int64_t arrived) {
  if (rows.shape().rank() == 2 && rows.shape()[0] % 2 == 0 && arrived >= 1 && arrived <= rows.shape()[0] / 2)
    return;
  throw std::invalid_argument(std::string(who) + ": rows " + to_string(rows.shape()) + ", " +
                              std::to_string(arrived) + " arriving images: need (2 n, D) and 1 to n");
}

// P of the head of this file, (n, n) on the host.
std::vector<float> view_similarity(const Tensor& features, float temperature) {
  const tape::NoGrad guard;
  const std::int64_t n = features.shape()[0] / 2;
  const Tensor f = unit(features.detach());
  const Tensor apart = diagonal(n, -kItselfApart / temperature, f.device());
  Tensor sum;
  for (const std::int64_t v : {0, 1}) {
    for (const std::int64_t w : {0, 1}) {
      // softmax of -(2 - 2 c) / T is that of 2 c / T
      const Tensor logits = add(products(f.rows(v * n, n), f.rows(w * n, n), 0.5F * temperature), apart);
      const Tensor p = softmax(logits);
      sum = sum.defined() ? add(sum, p) : p;
    }
  }
  return scale(sum, 0.25F).to_vector<float>();
}

}  // namespace

Positives scale_positives(const Tensor& features, std::int64_t arrived, float temperature, float kappa) {
  check("scale_positives", features, arrived);
  const auto n = static_cast<std::size_t>(features.shape()[0] / 2);
  const auto count = static_cast<std::size_t>(arrived);
  const std::vector<float> p = view_similarity(features, temperature);
  const auto similarity = [&](std::size_t i, std::size_t j) {
    return 0.5 * (static_cast<double>(p[i * n + j]) + p[j * n + i]);
  };
  double sum = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      if (i == j) continue;
      sum += similarity(i, j);
      largest = std::max(largest, similarity(i, j));
    }
  }
  const double mean = count < 2 ? 0.0 : sum / static_cast<double>(count * (count - 1));
  const double bound = mean + kappa * (largest - mean);
  Positives positives(count, std::vector<bool>(count));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < count; ++j) positives[i][j] = i == j || similarity(i, j) > bound;
  }
  return positives;
}

Tensor scale_contrast_loss(const Tensor& z, const Positives& positives, float temperature) {
  const auto arrived = static_cast<std::int64_t>(positives.size());
  check("scale_contrast_loss", z, arrived);
  const std::int64_t n = z.shape()[0] / 2;
  const Tensor rows = unit(z);
  const Tensor anchors = concat({slice(rows, 0, 0, arrived), slice(rows, 0, n, arrived)}, 0);
  constexpr float kOut = -std::numeric_limits<float>::infinity();
  std::vector<float> itself(static_cast<std::size_t>(4 * arrived * n));
  std::vector<float> share(itself.size());
  for (std::int64_t a = 0; a < 2 * arrived; ++a) {
    const std::int64_t image = a % arrived;
    const std::int64_t own = image + (a < arrived ? 0 : n);  // the anchor's row of z
    const std::vector<bool>& alike = positives[static_cast<std::size_t>(image)];
    const auto partners = 2 * std::ranges::count(alike, true) - 1;
    const auto row = static_cast<std::size_t>(2 * a * n);
    itself[row + static_cast<std::size_t>(own)] = kOut;
    for (std::int64_t j = 0; j < arrived; ++j) {
      if (!alike[static_cast<std::size_t>(j)]) continue;
      for (const std::int64_t k : {j, j + n}) {
        if (k != own) share[row + static_cast<std::size_t>(k)] = 1.0F / static_cast<float>(partners);
      }
    }
  }
  const Shape shape{2 * arrived, 2 * n};
  const Tensor logits = products(anchors, rows, temperature);
  const Tensor all = log_sum_exp(add(logits, Tensor::from(itself, shape, z.device())));
  return mean(subtract(all, sum_columns(multiply(logits, Tensor::from(share, shape, z.device())))));
}

Tensor scale_relation_loss(const RelatedRows& now, const RelatedRows& past) {
  const std::int64_t n = now.rows.shape()[0];
  if (now.rows.shape().rank() != 2 || past.rows.shape().rank() != 2 || n < 2 || past.rows.shape()[0] != n) {
    throw std::invalid_argument("scale_relation_loss: rows " + to_string(now.rows.shape()) + " and " +
                                to_string(past.rows.shape()) + ", need the same images, 2 or more");
  }
  const Tensor mask = infinite_diagonal(n, now.rows.device());
  const Tensor old = unit(past.rows.detach());
  const Tensor probabilities = softmax(add(products(old, old, past.temperature), mask)).detach();
  const Tensor rows = unit(now.rows);
  const Tensor logits = products(rows, rows, now.temperature);
  // Probabilities sum to 1, and that of a row with itself is 0.
  return mean(subtract(log_sum_exp(add(logits, mask)), sum_columns(multiply(logits, probabilities))));
}

}  // namespace nagare::ssl
