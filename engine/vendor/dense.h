#pragma once
// Dense linear algebra in double on the host, for evaluation: accuracy matters there, speed does not.
// LAPACK (OpenBLAS). Matrices are row-major.
//
// errors  std::invalid_argument naming the sizes; std::runtime_error when LAPACK does not converge
#include <cstdint>
#include <vector>

namespace nagare::vendor {

// rows x columns numbers.
struct DenseMatrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<double> values;

  double& operator()(std::int64_t r, std::int64_t c) {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
  double operator()(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
};

// X of A X = B. A (n, n) symmetric positive definite, B (n, m). std::runtime_error when A is not.
DenseMatrix solve_positive_definite(DenseMatrix a, const DenseMatrix& b);

// min(rows, columns) singular values, falling.
std::vector<double> singular_values(DenseMatrix a);

// Of a symmetric matrix.
struct SymmetricEigen {
  std::vector<double> values;  // falling
  DenseMatrix vectors;         // row k: the unit eigenvector of values[k]; its sign is LAPACK's
};
// Only the lower triangle of A is read.
SymmetricEigen symmetric_eigen(DenseMatrix a);

// A^T B: (n, p), (n, q) -> (p, q).
DenseMatrix transposed_product(const DenseMatrix& a, const DenseMatrix& b);

}  // namespace nagare::vendor
