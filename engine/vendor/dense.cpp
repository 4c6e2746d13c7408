#include "engine/vendor/dense.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

extern "C" {
void dposv_(const char* uplo, const int* n, const int* nrhs, double* a, const int* lda, double* b,
            const int* ldb, int* info);
void dgesvd_(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* lda,
             double* s, double* u, const int* ldu, double* vt, const int* ldvt, double* work,
             const int* lwork, int* info);
void dsyev_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
            double* work, const int* lwork, int* info);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
}

namespace nagare::vendor {
namespace {

void check(const char* who, const DenseMatrix& m, bool good) {
  if (good && m.rows >= 1 && m.columns >= 1 && m.rows < (1LL << 31) && m.columns < (1LL << 31) &&
      static_cast<std::int64_t>(m.values.size()) == m.rows * m.columns) {
    return;
  }
  throw std::invalid_argument(std::string(who) + ": matrix (" + std::to_string(m.rows) + ", " +
                              std::to_string(m.columns) + ") of " + std::to_string(m.values.size()) +
                              " values does not fit");
}

DenseMatrix transposed(const DenseMatrix& m) {
  DenseMatrix t{m.columns, m.rows, std::vector<double>(m.values.size())};
  for (std::int64_t r = 0; r < m.rows; ++r) {
    for (std::int64_t c = 0; c < m.columns; ++c) t(c, r) = m(r, c);
  }
  return t;
}

}  // namespace

DenseMatrix solve_positive_definite(DenseMatrix a, const DenseMatrix& b) {
  check("solve_positive_definite", a, a.rows == a.columns);
  check("solve_positive_definite", b, b.rows == a.rows);
  const int n = static_cast<int>(a.rows);
  const int m = static_cast<int>(b.columns);
  DenseMatrix x = transposed(b);  // LAPACK reads columns; a symmetric matrix is its own transpose
  int info = 0;
  dposv_("L", &n, &m, a.values.data(), &n, x.values.data(), &n, &info);
  if (info != 0) {
    throw std::runtime_error("solve_positive_definite: the matrix of order " + std::to_string(n) +
                             " is not positive definite");
  }
  return transposed(x);
}

std::vector<double> singular_values(DenseMatrix a) {
  check("singular_values", a, true);
  const int m =
      static_cast<int>(a.columns);  // as LAPACK sees it: the transpose, with the same singular values
  const int n = static_cast<int>(a.rows);
  std::vector<double> values(static_cast<std::size_t>(std::min(m, n)));
  const int one = 1;
  int info = 0;
  int size = -1;
  double best = 0.0;
  double none = 0.0;
  dgesvd_("N", "N", &m, &n, a.values.data(), &m, values.data(), &none, &one, &none, &one, &best, &size,
          &info);
  size = static_cast<int>(best);
  std::vector<double> work(static_cast<std::size_t>(std::max(size, 1)));
  dgesvd_("N", "N", &m, &n, a.values.data(), &m, values.data(), &none, &one, &none, &one, work.data(), &size,
          &info);
  if (info != 0) {
    throw std::runtime_error("singular_values: no convergence for a (" + std::to_string(n) + ", " +
                             std::to_string(m) + ") matrix; are its values finite?");
  }
  return values;
}

// Row-major, the lower triangle is what LAPACK calls the upper one; its columns of eigenvectors are our rows.
SymmetricEigen symmetric_eigen(DenseMatrix a) {
  check("symmetric_eigen", a, a.rows == a.columns);
  const int n = static_cast<int>(a.rows);
  std::vector<double> rising(static_cast<std::size_t>(n));
  int info = 0;
  int size = -1;
  double best = 0.0;
  dsyev_("V", "U", &n, a.values.data(), &n, rising.data(), &best, &size, &info);
  size = static_cast<int>(best);
  std::vector<double> work(static_cast<std::size_t>(std::max(size, 1)));
  dsyev_("V", "U", &n, a.values.data(), &n, rising.data(), work.data(), &size, &info);
  if (info != 0) {
    throw std::runtime_error("symmetric_eigen: no convergence for order " + std::to_string(n) +
                             "; are its values finite?");
  }
  SymmetricEigen eigen{.values = {rising.rbegin(), rising.rend()}, .vectors = a};
  for (std::int64_t k = 0; k < a.rows; ++k) {
    std::copy_n(a.values.begin() + (a.rows - 1 - k) * a.rows, a.rows,
                eigen.vectors.values.begin() + k * a.rows);
  }
  return eigen;
}

// Row-major A^T B is, read by columns, B'^ A'^T of the transposes: C' (q, p) = B' (q, n) A'^T (n, p). Blocks of C' columns
// are independent of one another; a few rows of A and B at a time stay in the cache while all of a block uses them.
DenseMatrix transposed_product(const DenseMatrix& a, const DenseMatrix& b) {
  check("transposed_product", a, a.rows == b.rows);
  check("transposed_product", b, true);
  constexpr std::int64_t kBlock = 32;
  constexpr std::int64_t kRows = 128;
  const int p = static_cast<int>(a.columns);
  const int q = static_cast<int>(b.columns);
  DenseMatrix c{a.columns, b.columns, std::vector<double>(static_cast<std::size_t>(a.columns * b.columns))};
  for_each_block(a.columns, kBlock, [&](std::int64_t begin, std::int64_t end) {
    const OneThread one_thread;
    const double one = 1.0;
    const int columns = static_cast<int>(end - begin);
    for (std::int64_t row = 0; row < a.rows; row += kRows) {
      const int n = static_cast<int>(std::min(kRows, a.rows - row));
      dgemm_("N", "T", &q, &columns, &n, &one, b.values.data() + row * q, &q,
             a.values.data() + row * p + begin, &p, &one, c.values.data() + begin * q, &q);
    }
  });
  return c;
}

}  // namespace nagare::vendor
