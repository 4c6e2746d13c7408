#include "ssl/eval/representation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels/parallel.h"
#include "ssl/eval/dense.h"

namespace nagare::ssl {
namespace {

using vendor::DenseMatrix;

double squared_distance(const DenseMatrix& a, std::int64_t i, const DenseMatrix& b, std::int64_t j) {
  double sum = 0.0;
  for (std::int64_t c = 0; c < a.columns; ++c) sum += (a(i, c) - b(j, c)) * (a(i, c) - b(j, c));
  return sum;
}

double squared_norm(const DenseMatrix& m) {
  double sum = 0.0;
  for (const double v : m.values) sum += v * v;
  return sum;
}

// Columns less their means; false for features that do not vary beyond the rounding of f32, of which nothing can be said.
bool centre(DenseMatrix& m) {
  const double before = squared_norm(m);
  subtract_row(m, column_means(m));
  return squared_norm(m) > 1e-20 * before;
}

DenseMatrix row_products(const DenseMatrix& m) {
  DenseMatrix across{m.columns, m.rows, std::vector<double>(m.values.size())};
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) across(c, r) = m(r, c);
  }
  return vendor::transposed_product(across, across);
}

void check_same_rows(const char* who, const Tensor& x, const Tensor& y, bool same) {
  if (same) return;
  throw std::invalid_argument(std::string(who) + ": features " + to_string(x.shape()) + " and " +
                              to_string(y.shape()) + " do not go together");
}

}  // namespace

Collapse collapse(const Tensor& z) {
  DenseMatrix m = dense("collapse", z, 2);
  normalize_rows(m);
  const std::vector<double> means = column_means(m);
  Collapse result;
  for (std::int64_t c = 0; c < m.columns; ++c) {
    const double mean = means[static_cast<std::size_t>(c)];
    double squares = 0.0;
    for (std::int64_t r = 0; r < m.rows; ++r) squares += (m(r, c) - mean) * (m(r, c) - mean);
    result.std += std::sqrt(squares / static_cast<double>(m.rows - 1)) / static_cast<double>(m.columns);
    result.mean_norm += mean * mean;
  }
  result.mean_norm = std::sqrt(result.mean_norm);
  return result;
}

double alignment(const Tensor& x, const Tensor& y, double alpha) {
  check_same_rows("alignment", x, y, x.shape() == y.shape());
  DenseMatrix a = dense("alignment", x);
  DenseMatrix b = dense("alignment", y);
  normalize_rows(a);
  normalize_rows(b);
  double sum = 0.0;
  for (std::int64_t r = 0; r < a.rows; ++r) sum += std::pow(squared_distance(a, r, b, r), alpha / 2.0);
  return sum / static_cast<double>(a.rows);
}

double uniformity(const Tensor& x, double t) {
  DenseMatrix m = dense("uniformity", x, 2);
  normalize_rows(m);
  std::vector<double> sums(static_cast<std::size_t>(m.rows));  // of row i with the later rows
  parallel_for(m.rows, [&](std::int64_t i) {
    double sum = 0.0;
    for (std::int64_t j = i + 1; j < m.rows; ++j) sum += std::exp(-t * squared_distance(m, i, m, j));
    sums[static_cast<std::size_t>(i)] = sum;
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return std::log(total / (0.5 * static_cast<double>(m.rows) * static_cast<double>(m.rows - 1)));
}

EffectiveRank effective_rank(const Tensor& z) {
  EffectiveRank result{.singular_values = vendor::singular_values(dense("effective_rank", z)), .rank = 0.0};
  double sum = 0.0;
  for (const double sigma : result.singular_values) sum += sigma;
  double entropy = 0.0;
  for (const double sigma : result.singular_values) {
    const double p = sigma / sum + 1e-7;
    entropy -= p * std::log(p);
  }
  result.rank = std::exp(entropy);
  return result;
}

double linear_cka(const Tensor& x, const Tensor& y) {
  DenseMatrix a = dense("linear_cka", x, 2);
  DenseMatrix b = dense("linear_cka", y, 2);
  check_same_rows("linear_cka", x, y, a.rows == b.rows);
  if (!centre(a) || !centre(b)) return std::numeric_limits<double>::quiet_NaN();
  // Whichever Gram matrices are smaller: <X X^T, Y Y^T> = |X^T Y|_F^2.
  if (a.rows < std::max(a.columns, b.columns)) {
    const DenseMatrix k = row_products(a);
    const DenseMatrix l = row_products(b);
    double cross = 0.0;
    for (std::size_t i = 0; i < k.values.size(); ++i) cross += k.values[i] * l.values[i];
    return std::clamp(cross / std::sqrt(squared_norm(k) * squared_norm(l)), 0.0, 1.0);
  }
  const double cross = squared_norm(vendor::transposed_product(a, b));
  const double own = std::sqrt(squared_norm(vendor::transposed_product(a, a)) *
                               squared_norm(vendor::transposed_product(b, b)));
  return std::clamp(cross / own, 0.0, 1.0);
}

}  // namespace nagare::ssl
