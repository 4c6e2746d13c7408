#pragma once
// Batch normalisation of every column of a matrix, fused with a residual sum and ReLU, and its gradient.
//
//   statistics   training: mean[c] = 1/n sum_r x[r,c],  var[c] = 1/n sum_r (x[r,c] - mean[c])^2,  n = rows,
//                running_mean += momentum (mean - running_mean),
//                running_var += momentum (var n/(n-1) - running_var)
//                otherwise: mean = running_mean, var = running_var.  Both: inv_std = 1 / sqrt(var + epsilon)
//   apply        h = (x - mean) inv_std gamma + beta + residual,   y = relu ? max(h, 0) : h
//   backward     g = relu ? dy [h > 0] : dy,   xhat = (x - mean) inv_std,   dresidual = g,
//                dbeta = sum_r g,   dgamma = sum_r g xhat,
//                dx = gamma inv_std (g - [training] (dbeta + xhat dgamma) / n)
//
// x, residual, y and their gradients   T (rows, channels), row-major (an NHWC batch has N*H*W rows); T is float
//                                      or bf16
// all else                             f32 (channels); gamma, beta may both be nullptr (1 and 0), residual too;
//                                      running_mean and running_var may both be nullptr in training
// workspace    f32 (workspace_floats()), written and read inside one call
// aliasing     apply: y may be x or residual. backward: dx may be dy or x, dresidual may be dy
// special      NaN in x makes its whole channel NaN in training; a NaN before ReLU stays NaN
// accuracy     sums of deviations from a value of each block of rows, merged in double (CPU) or as means and
//              squared deviations (CUDA): a large mean costs no more than its own rounding to f32 does
// determinism  fixed blocks of rows merged in their order: the same bits for any number of threads, and on
//              every run
// cost         forward reads x twice, residual once, writes y; backward reads x and dy twice and writes dx; after
//              a residual and ReLU it reads y, x and dy, writes dresidual, reads that and x again, writes dx
// errors       std::invalid_argument naming sizes and hyper-parameters, before anything is written; rows = 0
//              does nothing outside training, and gives gradients of zero
// source       Ioffe and Szegedy, ICML 2015, algorithm 1; merging: Chan, Golub and LeVeque, COMPSTAT 1982
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct BatchNorm {
  std::int64_t rows = 0;      // >= 0; >= 2 in training
  std::int64_t channels = 0;  // >= 1
  float momentum = 0.1F;      // [0, 1]
  float epsilon = 1e-5F;      // positive
  bool training = false;
  bool relu = false;

  void check() const;
  std::int64_t workspace_floats() const;
};

// What the statistics are made from and kept in.
struct BatchNormStatistics {
  float* mean;     // of this batch, or the running one
  float* inv_std;  // 1 / sqrt(variance + epsilon)
  float* running_mean;
  float* running_var;
};

// How a column is normalised; gamma and beta may be nullptr.
struct BatchNormColumns {
  const float* mean;
  const float* inv_std;
  const float* gamma;
  const float* beta;
};

template <class T>
struct BatchNormInputs {
  const T* x;
  const T* y;  // read when there was a residual and ReLU; else it may be nullptr
  const T* dy;
};

template <class T>
struct BatchNormGradients {
  T* dx;
  T* dresidual;   // written when there was a residual and ReLU; else nullptr (without ReLU it would be dy
                  // itself)
  float* dgamma;  // always written, as the sums are needed for dx
  float* dbeta;
};

#define NAGARE_DECLARE_TWIN                                                                                 \
  template <class T>                                                                                        \
  void batch_norm_statistics(const BatchNorm& p, const T* x, float* workspace,                              \
                             const BatchNormStatistics& out, Stream stream);                                \
  template <class T>                                                                                        \
  void batch_norm_apply(const BatchNorm& p, const T* x, const T* residual, const BatchNormColumns& columns, \
                        T* y, Stream stream);                                                               \
  template <class T>                                                                                        \
  void batch_norm_backward(const BatchNorm& p, const BatchNormInputs<T>& in,                                \
                           const BatchNormColumns& columns, float* workspace,                               \
                           const BatchNormGradients<T>& out, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
