#pragma once
// Two views drawn together while the dimensions of each keep their variance and lose their correlation (VICReg), with the
// gradients.
//
//   X[n,j] = x[n,j] - mean_j,   v_j = sum_n X[n,j]^2 / (N - 1),   sd_j = sqrt(v_j + epsilon);   Y from y alike
//   invariance  = 1/(N D) sum (x - y)^2
//   variance    = 1/D sum_j max(0, 1 - sd_j), of x plus of y
//   covariance  = 1/D sum_{i != j} C_ij^2, C = X^T X / (N - 1), of x plus of y
//   loss        = invariance_weight invariance + variance_weight variance + covariance_weight covariance
//   dx = 2 invariance_weight (x - y) / (N D) - variance_weight / D [sd_j < 1] X / ((N - 1) sd_j)
//        + 4 covariance_weight / (D (N - 1)) X offdiag(C);   dy alike, with y - x
//
// forms         where N < D, no D x D matrix is made: with K = X X^T (N, N),
//                 sum_ij C_ij^2 = |K|^2 / (N - 1)^2   and   X offdiag(C) = K X / (N - 1) - X diag(v)
//               else of C, which is symmetric, the half is computed. Without variance and covariance weights nothing is
//               centred or multiplied: that is a mean squared error
// x, y, dx, dy  T (rows = N, cols = D), row-major; T is float or bf16 (computed in float, sums in f32). dx or dy may be
//               nullptr: that view is a constant; both: forward only
// terms         f32 (4): loss, invariance, variance, covariance; of a weight that is 0, the term is 0
// scratch       f32 (scratch_floats()), written and read inside one call
// aliasing      none
// special       NaN or infinity in x or y make the loss NaN; sd_j = 1 has slope 0
// accuracy      columns are centred before anything is multiplied. |term - exact| <= 1e-5 max(1, term), of the covariance
//               by rows 1e-5 max(1, |C|^2 / D), as it is a difference; bit-identical from run to run and for any number of
//               threads
// cost          about 3 N D min(N, D) multiply-adds for both views, forward and backward (the symmetric products one half);
//               x and y are read twice
// errors        std::invalid_argument with sizes and numbers, before anything is written
// source        Bardes, Ponce and LeCun, ICLR 2022, eq. 1-6
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct VarianceCovariance {
  std::int64_t rows;  // >= 2; 1 will do without variance and covariance weights
  std::int64_t cols;  // >= 1
  float invariance_weight = 25.0F;
  float variance_weight = 12.5F;  // of the sum of both views' terms: the paper's 25, halved
  float covariance_weight = 1.0F;
  float epsilon = 1e-4F;  // > 0

  void check() const;
  bool needs_moments() const { return variance_weight != 0.0F || covariance_weight != 0.0F; }
  bool needs_products() const { return covariance_weight != 0.0F; }
  bool by_rows() const { return rows < cols; }  // which form
  std::int64_t scratch_floats() const;
};

template <class T>
struct VarianceCovarianceOutputs {
  float* terms;
  T* dx;  // or nullptr
  T* dy;  // or nullptr
};

#define NAGARE_DECLARE_TWIN                                                                     \
  template <class T>                                                                            \
  void variance_covariance(const VarianceCovariance& p, const T* x, const T* y, float* scratch, \
                           const VarianceCovarianceOutputs<T>& out, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
