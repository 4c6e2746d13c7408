#pragma once
// What the tests of losses on second moments share: columns with some of every kind, and their means in double.
#include "tests/support/gradient.h"
#include "tests/support/matrix.h"

namespace nagare::test {

// Normal numbers, column c stretched by 0.5 + c % 3 and moved by c % 5 - 2, so that columns differ; the element type
// holds them exactly.
inline Matrix uneven_columns(std::int64_t rows, std::int64_t cols, std::uint32_t seed, DType dtype) {
  Matrix m = normal(rows, cols, seed);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      m(r, c) = rounded(m(r, c) * (0.5 + static_cast<double>(c % 3)) + static_cast<double>(c % 5 - 2), dtype);
    }
  }
  return m;
}

inline Matrix centred(Matrix m) {
  for (std::int64_t c = 0; c < m.cols(); ++c) {
    double mean = 0.0;
    for (std::int64_t r = 0; r < m.rows(); ++r) mean += m(r, c) / static_cast<double>(m.rows());
    for (std::int64_t r = 0; r < m.rows(); ++r) m(r, c) -= mean;
  }
  return m;
}

// a^T b
inline Matrix transposed_product(const Matrix& a, const Matrix& b) {
  Matrix out(a.cols(), b.cols());
  for (std::int64_t n = 0; n < a.rows(); ++n) {
    for (std::int64_t i = 0; i < a.cols(); ++i) {
      for (std::int64_t j = 0; j < b.cols(); ++j) out(i, j) += a(n, i) * b(n, j);
    }
  }
  return out;
}

inline double largest_magnitude(const Matrix& m) {
  double most = 0.0;
  for (const double v : m.values()) most = std::max(most, std::abs(v));
  return most;
}

inline Tensor on_device(const Matrix& m, DType dtype, Device device) {
  return to_tensor(m.values(), {m.rows(), m.cols()}, dtype, device);
}

inline Matrix on_host(const Tensor& t) {
  Matrix m(t.shape().rows(), t.shape().back());
  const std::vector<float> values = t.to_vector<float>();
  m.values().assign(values.begin(), values.end());
  return m;
}

}  // namespace nagare::test
