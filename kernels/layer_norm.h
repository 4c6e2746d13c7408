#pragma once
// Layer normalisation: every row to mean 0 and variance 1, then scaled and shifted per column.
//
//   forward    m[r] = mean_c x[r,c],  v[r] = mean_c (x[r,c] - m[r])^2,  s[r] = 1 / sqrt(v[r] + epsilon)
//              h[r,c] = (x[r,c] - m[r]) s[r],  y[r,c] = h[r,c] gamma[c] + beta[c]
//   backward   g[r,c] = dy[r,c] gamma[c],  dx[r,c] = s[r] (g[r,c] - mean_k g[r,k] - h[r,c] q[r]),
//              q[r] = mean_k g[r,k] h[r,k]
//              dgamma[c] = sum_r dy[r,c] h[r,c],  dbeta[c] = sum_r dy[r,c]
//
// x, y, dy, dx          f32 or bf16 (rows, cols), row-major
// gamma, beta, d...     f32 (cols);  mean, inverse_deviation (m and s)  f32 (rows)
// epsilon               positive; 1e-5 (PyTorch) or 1e-6 (ViT)
// aliasing              y may be x, dx may be dy
// special               a row with NaN or infinity comes out NaN and harms no other row of y; beyond |x| = 1e18 the
//                       squares overflow and the row comes out 0
// accuracy              two passes over a row, so a large mean costs no digits of the variance
// determinism           bit-identical from run to run, for any number of threads
// cost                  floor: one read of x and one write of y; backward reads x and dy twice, writes dx
// errors                std::invalid_argument with shape and epsilon
// source                Ba et al., arXiv:1607.06450
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct LayerNorm {
  std::int64_t rows;  // >= 0
  std::int64_t cols;  // >= 1
  float epsilon = 1e-5F;

  void check() const;
};

// What the forward keeps for the backward, one number per row.
struct RowStatistics {
  float* mean;
  float* inverse_deviation;
};

// Where the parameters' gradients go; overwritten.
struct LayerNormGradients {
  float* gamma;
  float* beta;
};

#define NAGARE_DECLARE_TWIN                                                                                \
  template <class T>                                                                                       \
  void layer_norm(const LayerNorm& p, const T* x, const float* gamma, const float* beta, T* y,             \
                  const RowStatistics& s, Stream stream);                                                  \
  template <class T>                                                                                       \
  void layer_norm_backward(const LayerNorm& p, const T* x, const float* gamma, const RowStatistics& s,     \
                           const T* dy, T* dx, Stream stream);                                             \
  template <class T>                                                                                       \
  void layer_norm_parameter_gradients(const LayerNorm& p, const T* x, const RowStatistics& s, const T* dy, \
                                      const LayerNormGradients& d, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
