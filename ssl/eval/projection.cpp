#include "ssl/eval/projection.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "ssl/eval/dense.h"

namespace nagare::ssl {
namespace {

using vendor::DenseMatrix;

constexpr double kExaggeration = 12.0;
constexpr std::int64_t kExaggeratedIterations = 250;  // of at least twice as many; else the first half
constexpr double kStartDeviation = 1e-4;
constexpr double kTiny = 1e-12;

DenseMatrix unit_rows(const char* who, const Tensor& features) {
  DenseMatrix rows = dense(who, features, 3);
  normalize_rows(rows);
  return rows;
}

DenseMatrix transposed(const DenseMatrix& m) {
  DenseMatrix t{m.columns, m.rows, std::vector<double>(m.values.size())};
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) t(c, r) = m(r, c);
  }
  return t;
}

// The coordinates of centred rows on the eigenvector of rank k: from X^T X where D <= N, else from X X^T, whose
// eigenvectors are the coordinates themselves, divided by the root of the eigenvalue.
std::vector<double> coordinates(const DenseMatrix& x, const vendor::SymmetricEigen& eigen, std::int64_t k) {
  std::vector<double> values(static_cast<std::size_t>(x.rows));
  const double root = std::sqrt(std::max(0.0, eigen.values[static_cast<std::size_t>(k)]));
  for (std::int64_t i = 0; i < x.rows; ++i) {
    double value = 0.0;
    if (x.columns > x.rows) {
      value = root * eigen.vectors(k, i);
    } else {
      for (std::int64_t d = 0; d < x.columns; ++d) value += x(i, d) * eigen.vectors(k, d);
    }
    values[static_cast<std::size_t>(i)] = value;
  }
  const auto largest = std::ranges::max_element(values, {}, [](double value) { return std::fabs(value); });
  if (*largest < 0) std::ranges::transform(values, values.begin(), std::negate<>());
  return values;
}

Pca principal_plane(DenseMatrix x) {
  subtract_row(x, column_means(x));
  const bool tall = x.columns <= x.rows;
  const DenseMatrix other = tall ? DenseMatrix{} : transposed(x);
  const vendor::SymmetricEigen eigen = vendor::symmetric_eigen(
      tall ? vendor::transposed_product(x, x) : vendor::transposed_product(other, other));
  double total = 0.0;
  for (const double value : eigen.values) total += std::max(0.0, value);
  Pca pca{.points = std::vector<Point>(static_cast<std::size_t>(x.rows))};
  const auto axes = std::min<std::int64_t>(2, static_cast<std::int64_t>(eigen.values.size()));
  for (std::int64_t k = 0; k < axes; ++k) {
    const std::vector<double> values = coordinates(x, eigen, k);
    for (std::size_t i = 0; i < values.size(); ++i) pca.points[i][static_cast<std::size_t>(k)] = values[i];
    if (total > 0) {
      pca.explained[static_cast<std::size_t>(k)] =
          std::max(0.0, eigen.values[static_cast<std::size_t>(k)]) / total;
    }
  }
  return pca;
}

DenseMatrix squared_distances(const DenseMatrix& x) {
  DenseMatrix squared{x.rows, x.rows, std::vector<double>(static_cast<std::size_t>(x.rows * x.rows))};
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      double sum = 0.0;
      for (std::int64_t d = 0; d < x.columns; ++d) sum += (x(i, d) - x(j, d)) * (x(i, d) - x(j, d));
      squared(i, j) = squared(j, i) = sum;
    }
  }
  return squared;
}

// Row i of p(j|i), by bisection on the precision 1 / (2 s^2). Distances are taken less the smallest one, which
// changes nothing and keeps a term from vanishing.
void fill_conditional(const DenseMatrix& squared, std::int64_t i, double wanted_entropy, DenseMatrix& p) {
  double nearest = INFINITY;
  for (std::int64_t j = 0; j < squared.rows; ++j) {
    if (j != i) nearest = std::min(nearest, squared(i, j));
  }
  double low = 0.0;
  double high = INFINITY;
  double precision = 1.0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    double sum = 0.0;
    double weighted = 0.0;
    for (std::int64_t j = 0; j < squared.rows; ++j) {
      const double distance = squared(i, j) - nearest;
      p(i, j) = j == i ? 0.0 : std::exp(-distance * precision);
      sum += p(i, j);
      weighted += p(i, j) * distance;
    }
    const double entropy = std::log(sum) + precision * weighted / sum;
    for (std::int64_t j = 0; j < squared.rows; ++j) p(i, j) /= sum;
    if (std::fabs(entropy - wanted_entropy) < 1e-7) return;
    (entropy > wanted_entropy ? low : high) = precision;
    precision = std::isinf(high) ? precision * 2 : (low + high) / 2;
  }
}

DenseMatrix joint_probabilities(const DenseMatrix& x, double perplexity) {
  const DenseMatrix squared = squared_distances(x);
  DenseMatrix p{x.rows, x.rows, std::vector<double>(squared.values.size())};
  for (std::int64_t i = 0; i < x.rows; ++i) fill_conditional(squared, i, std::log(perplexity), p);
  for (std::int64_t i = 0; i < x.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      p(i, j) = p(j, i) = std::max(kTiny, (p(i, j) + p(j, i)) / (2.0 * static_cast<double>(x.rows)));
    }
  }
  return p;
}

// dKL/dy_i = 4 sum_j (exaggeration p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2). `closeness` holds the last factor.
void gradient(const DenseMatrix& p, const std::vector<Point>& y, double exaggeration, DenseMatrix& closeness,
              std::vector<Point>& slope) {
  const auto count = static_cast<std::int64_t>(y.size());
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const Point& a = y[static_cast<std::size_t>(i)];
      const Point& b = y[static_cast<std::size_t>(j)];
      const double dx = a[0] - b[0];
      const double dy = a[1] - b[1];
      closeness(i, j) = 1.0 / (1.0 + dx * dx + dy * dy);
      sum += 2.0 * closeness(i, j);
    }
  }
  std::ranges::fill(slope, Point{});
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const auto a = static_cast<std::size_t>(i);
      const auto b = static_cast<std::size_t>(j);
      const double near = closeness(i, j);
      const double pull = 4.0 * (exaggeration * p(i, j) - std::max(kTiny, near / sum)) * near;
      for (std::size_t axis = 0; axis < 2; ++axis) {
        slope[a][axis] += pull * (y[a][axis] - y[b][axis]);
        slope[b][axis] -= pull * (y[a][axis] - y[b][axis]);
      }
    }
  }
}

double divergence(const DenseMatrix& p, const std::vector<Point>& y) {
  const auto count = static_cast<std::int64_t>(y.size());
  const auto closeness = [&](std::int64_t i, std::int64_t j) {
    const Point& a = y[static_cast<std::size_t>(i)];
    const Point& b = y[static_cast<std::size_t>(j)];
    return 1.0 / (1.0 + (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]));
  };
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < i; ++j) sum += 2.0 * closeness(i, j);
  }
  double result = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      result += 2.0 * p(i, j) * std::log(p(i, j) * sum / closeness(i, j));
    }
  }
  return result;
}

std::vector<Point> start_of(const Pca& pca) {
  double squares = 0.0;
  for (const Point& point : pca.points) squares += point[0] * point[0];
  const double deviation = std::sqrt(squares / static_cast<double>(pca.points.size()));
  const double scale = kStartDeviation / std::max(deviation, kTiny);
  std::vector<Point> y = pca.points;
  for (Point& point : y) point = {point[0] * scale, point[1] * scale};
  return y;
}

// Delta-bar-delta: a step grows where the gradient keeps its sign against the movement, and shrinks where not.
void descend(const std::vector<Point>& slope, double rate, double momentum, std::vector<Point>& gain,
             std::vector<Point>& movement, std::vector<Point>& y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const bool keeps = slope[i][axis] * movement[i][axis] < 0;
      gain[i][axis] = std::max(0.01, keeps ? gain[i][axis] + 0.2 : gain[i][axis] * 0.8);
      movement[i][axis] = momentum * movement[i][axis] - rate * gain[i][axis] * slope[i][axis];
      y[i][axis] += movement[i][axis];
    }
  }
}

}  // namespace

Pca pca_2d(const Tensor& features) { return principal_plane(unit_rows("pca_2d", features)); }

Tsne tsne_2d(const Tensor& features, const TsneOptions& options) {
  const DenseMatrix x = unit_rows("tsne_2d", features);
  const double most = static_cast<double>(x.rows - 1) / 3.0;
  if (!(options.perplexity >= 2.0 && options.perplexity <= most) || options.iterations < 1) {
    throw std::invalid_argument("tsne_2d: perplexity " + std::to_string(options.perplexity) + " of " +
                                std::to_string(x.rows) + " points, " + std::to_string(options.iterations) +
                                " iterations: need 2 to a third of the other points, and at least 1");
  }
  const DenseMatrix p = joint_probabilities(x, options.perplexity);
  std::vector<Point> y = start_of(principal_plane(x));
  std::vector<Point> slope(y.size());
  std::vector<Point> movement(y.size());
  std::vector<Point> gain(y.size(), {1.0, 1.0});
  DenseMatrix closeness{x.rows, x.rows, std::vector<double>(p.values.size())};
  const double rate = std::max(static_cast<double>(x.rows) / kExaggeration / 4.0, 50.0);
  const std::int64_t exaggerated = std::min(kExaggeratedIterations, options.iterations / 2);
  for (std::int64_t step = 0; step < options.iterations; ++step) {
    const bool early = step < exaggerated;
    gradient(p, y, early ? kExaggeration : 1.0, closeness, slope);
    descend(slope, rate, early ? 0.5 : 0.8, gain, movement, y);
  }
  return {.points = y, .divergence = divergence(p, y)};
}

}  // namespace nagare::ssl
