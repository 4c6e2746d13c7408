#pragma once
// The cross-correlation of two views' dimensions, driven to the identity (Barlow Twins), with its gradients.
//
//   a[n,i] = (x[n,i] - mean_i) inv_i,   inv_i = 1 / sqrt(S_i / M + epsilon),   S_i = sum_n (x[n,i] - mean_i)^2; b from y
//            alike;  M = N, or N - 1 where unbiased
//   C      = a^T b / N   (D, D)
//   loss   = weight ( sum_i (C_ii - 1)^2 + lambda sum_{i != j} C_ij^2 )
//   G      = dloss/dC:  G_ii = 2 weight (C_ii - 1),  G_ij = 2 weight lambda C_ij;   g_a = b G^T / N,  g_b = a G / N
//   dx[n,i] = inv_i (g_a[n,i] - mean_n g_a[.,i] - a[n,i] sum_m g_a[m,i] a[m,i] / M);   dy alike
//
// forms         where N < D, no D x D matrix is made: with K_a = a a^T, K_b = b b^T (N, N),
//                 sum_ij C_ij^2 = <K_a, K_b> / N^2   and   g_a = 2 weight lambda K_b a / N^2 + b diag(e) / N,
//                 e_i = 2 weight ((C_ii - 1) - lambda C_ii)
// x, y, dx, dy  T (rows = N, cols = D), row-major; T is float or bf16 (computed in float, sums in f32). dx or dy may be
//               nullptr: that view is a constant; both: forward only
// loss          f32, one number
// correlation   f32 (cols, cols), or nullptr where it is not asked for
// scratch       f32 (scratch_floats()), written and read inside one call
// aliasing      dx may be x, dy may be y; any other overlap is undefined
// special       a column without variance: a = 0 and its gradient is 0 for epsilon = 0 (where the published code has
//               0 / 0), and what the formula gives otherwise. NaN or infinity in x or y make the loss NaN
// accuracy      columns are centred before anything is multiplied: a mean that is large against the deviations costs no
//               more than x itself has lost. |loss - exact| <= 1e-5 max(1, loss); bit-identical from run to run and for
//               any number of threads
// cost          N < D: about 3 N^2 D multiply-adds forward and backward (K_a and K_b: one half each), else 3 N D^2; x and
//               y are read once
// errors        std::invalid_argument with sizes and numbers, before anything is written
// source        Zbontar et al., ICML 2021, eq. 1-2
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct CrossCorrelation {
  std::int64_t rows;       // >= 2
  std::int64_t cols;       // >= 1
  float lambda = 0.0051F;  // >= 0
  float weight = 1.0F;     // finite
  float epsilon = 1e-5F;   // >= 0
  bool unbiased = false;   // variance over rows - 1

  void check() const;
  bool by_rows() const { return rows < cols; }  // which form
  std::int64_t scratch_floats() const;
};

template <class T>
struct CrossCorrelationOutputs {
  float* loss;
  float* correlation;  // or nullptr
  T* dx;               // or nullptr
  T* dy;               // or nullptr
};

#define NAGARE_DECLARE_TWIN                                                                 \
  template <class T>                                                                        \
  void cross_correlation(const CrossCorrelation& p, const T* x, const T* y, float* scratch, \
                         const CrossCorrelationOutputs<T>& out, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
