#pragma once
// Host matrices in double: what a test states its expectations in. Kernels get f32 copies through Buffer.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <initializer_list>
#include <vector>

#include "engine/device/memory.h"
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare::test {

class Matrix {
 public:
  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t cols)
      : rows_(rows), cols_(cols), values_(static_cast<std::size_t>(rows * cols)) {}
  Matrix(std::initializer_list<std::initializer_list<double>> rows)
      : rows_(static_cast<std::int64_t>(rows.size())),
        cols_(rows.size() == 0 ? 0 : static_cast<std::int64_t>(rows.begin()->size())) {
    for (const auto& row : rows) values_.insert(values_.end(), row);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t numel() const { return rows_ * cols_; }
  double& operator()(std::int64_t r, std::int64_t c) {
    return values_[static_cast<std::size_t>(r * cols_ + c)];
  }
  double operator()(std::int64_t r, std::int64_t c) const {
    return values_[static_cast<std::size_t>(r * cols_ + c)];
  }
  std::span<double> row(std::int64_t r) {
    return {&values_[static_cast<std::size_t>(r * cols_)], static_cast<std::size_t>(cols_)};
  }
  std::vector<double>& values() { return values_; }
  const std::vector<double>& values() const { return values_; }
  bool operator==(const Matrix&) const = default;

 private:
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::vector<double> values_;
};

// Standard normal values that f32 holds exactly.
inline Matrix normal(std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  Matrix m(rows, cols);
  Philox random({.seed = seed, .purpose = Purpose::synthetic});
  for (double& v : m.values()) {
    const double u1 = 1.0 - random.uniform();
    const double u2 = random.uniform();
    v = static_cast<float>(std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * M_PI * u2));
  }
  return m;
}

inline double dot(const Matrix& a, const Matrix& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.values().size(); ++i) sum += a.values()[i] * b.values()[i];
  return sum;
}

// d f / d x by central differences, entry by entry.
inline Matrix central_differences(const std::function<double(const Matrix&)>& f, Matrix x, double step) {
  Matrix gradient(x.rows(), x.cols());
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    const double before = x.values()[i];
    x.values()[i] = before + step;
    const double above = f(x);
    x.values()[i] = before - step;
    const double below = f(x);
    x.values()[i] = before;
    gradient.values()[i] = (above - below) / (2.0 * step);
  }
  return gradient;
}

// |got - want| <= tolerance everywhere; a NaN on either side fails.
inline testing::AssertionResult all_near(const Matrix& got, const Matrix& want, double tolerance) {
  if (got.rows() != want.rows() || got.cols() != want.cols()) {
    return testing::AssertionFailure() << "shape (" << got.rows() << ", " << got.cols() << "), want ("
                                       << want.rows() << ", " << want.cols() << ")";
  }
  for (std::size_t i = 0; i < got.values().size(); ++i) {
    const double error = std::abs(got.values()[i] - want.values()[i]);
    if (!(error <= tolerance)) {
      return testing::AssertionFailure()
             << "entry " << i << ": got " << got.values()[i] << ", want " << want.values()[i]
             << ", |difference| " << error << " > " << tolerance;
    }
  }
  return testing::AssertionSuccess();
}

// What bf16 makes of a matrix, as a matrix and on a device.
inline Matrix rounded_to_bf16(Matrix m) {
  for (double& v : m.values()) v = static_cast<float>(bf16(static_cast<float>(v)));
  return m;
}
inline Tensor to_bf16(Device device, const Matrix& m) {
  std::vector<bf16> half;
  for (const double v : m.values()) half.emplace_back(static_cast<float>(v));
  return Tensor::from(half, {m.rows(), m.cols()}, device);
}
// A tensor's elements as a matrix of that many rows.
inline Matrix to_matrix(const Tensor& t, std::int64_t rows) {
  Matrix m(rows, rows == 0 ? 0 : t.numel() / rows);
  const std::vector<float> values = t.to_vector<float>();
  m.values().assign(values.begin(), values.end());
  return m;
}

// An f32 copy of a matrix on a device, of exactly its size.
class Buffer {
 public:
  Buffer(Device device, const Matrix& m) : rows_(m.rows()), cols_(m.cols()) {
    const std::vector<float> values(m.values().begin(), m.values().end());
    tensor_ = Tensor::from(values, {rows_, cols_}, device);
  }
  float* data() const { return tensor_.data<float>(); }
  Matrix to_host() const {
    Matrix m(rows_, cols_);
    const std::vector<float> values = tensor_.to_vector<float>();
    m.values().assign(values.begin(), values.end());
    return m;
  }

 private:
  std::int64_t rows_;
  std::int64_t cols_;
  Tensor tensor_;
};

}  // namespace nagare::test
