#pragma once
// Softmax cross-entropy of every row, on top of row_log_sum (log_sum_exp.h), which supplies max and log_sum.
// log p[r,c] = (x[r,c] - max[r]) - log_sum[r].
//
//   cross_entropy        loss[r] = -(1 - e) log p[r,t] - e mean_c log p[r,c]
//                        t = target[r], e = label_smoothing
//     backward           dx[r,c] = dloss (p[r,c] - (1 - e) [c = t] - e / cols) / rows
//   soft_cross_entropy   loss[r] = -sum_c q[r,c] log p[r,c]
//     backward           dx[r,c] = dloss (p[r,c] sum_k q[r,k] - q[r,c]) / rows
//
// The backwards are those of the MEAN of the row losses; dloss is its upstream gradient, one f32 on the device.
//
// x, dx     T (rows, cols), row-major, T is float or bf16;  q  f32 (rows, cols);  target  i64 (rows)
//           max, log_sum, loss  f32 (rows)
// q         constant; >= 0, any sum. An entry of exactly 0 hides its logit, whatever that is
// aliasing  dx may be x
// special   x = -inf is a masked entry: p = 0 and its gradient is exactly 0 (without smoothing). A masked
//           target gives an infinite loss
// accuracy  1e-6 of the loss for logits up to +-1000 and any common offset; bit-identical from run to run and for any
//           number of threads
// cost      forward: one entry per row (with smoothing or soft: x, and q, read once); backward: x read once, dx written,
//           soft: q read twice, the second time from cache
// errors    std::invalid_argument with shape and smoothing. A target outside [0, cols): the CPU twin throws
//           std::out_of_range; on CUDA its loss and its row of dx are NaN
// source    label smoothing: Szegedy et al., CVPR 2016, section 7
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct CrossEntropy {
  std::int64_t rows;  // >= 0
  std::int64_t cols;  // >= 1
  float label_smoothing = 0.0F;

  void check() const;
};

// What row_log_sum found.
struct RowLogSum {
  const float* max;
  const float* log_sum;
};

#define NAGARE_DECLARE_TWIN                                                                               \
  template <class T>                                                                                      \
  void cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const std::int64_t* target,   \
                     float* loss, Stream stream);                                                         \
  template <class T>                                                                                      \
  void cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s,                      \
                              const std::int64_t* target, const float* dloss, T* dx, Stream stream);      \
  template <class T>                                                                                      \
  void soft_cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q,          \
                          float* loss, Stream stream);                                                    \
  template <class T>                                                                                      \
  void soft_cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q, \
                                   const float* dloss, T* dx, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
