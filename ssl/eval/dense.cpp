#include "ssl/eval/dense.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace nagare::ssl {

vendor::DenseMatrix dense(const char* who, const Tensor& features, std::int64_t rows) {
  const Shape& shape = features.shape();
  if (shape.rank() != 2 || shape[0] < rows || shape[1] < 1) {
    throw std::invalid_argument(std::string(who) + ": features " + to_string(shape) +
                                ", need (N, D) with N at least " + std::to_string(rows));
  }
  const std::vector<float> values = features.to_vector<float>();
  return {shape[0], shape[1], {values.begin(), values.end()}};
}

void normalize_rows(vendor::DenseMatrix& m) {
  for (std::int64_t r = 0; r < m.rows; ++r) {
    double squared = 0.0;
    for (std::int64_t c = 0; c < m.columns; ++c) squared += m(r, c) * m(r, c);
    const double length = std::max(std::sqrt(squared), 1e-12);
    for (std::int64_t c = 0; c < m.columns; ++c) m(r, c) /= length;
  }
}

std::vector<double> column_means(const vendor::DenseMatrix& m) {
  std::vector<double> means(static_cast<std::size_t>(m.columns));
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) means[static_cast<std::size_t>(c)] += m(r, c);
  }
  for (double& mean : means) mean /= static_cast<double>(m.rows);
  return means;
}

void subtract_row(vendor::DenseMatrix& m, const std::vector<double>& row) {
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) m(r, c) -= row[static_cast<std::size_t>(c)];
  }
}

}  // namespace nagare::ssl
