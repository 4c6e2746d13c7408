#pragma once
// log sum_c exp(x[r,c]) of every row, kept as two numbers, so that a large offset of the row costs no digits.
//
//   row_log_sum           max[r] = max_c x[r,c],  log_sum[r] = log sum_c exp(x[r,c] - max[r])
//                         the result is max[r] + log_sum[r]
//   log_sum_exp_backward  dx[r,c] = dy[r] exp((x[r,c] - max[r]) - log_sum[r])
//
// x, dx     T (rows, cols), row-major, T is float or bf16;  max, log_sum, dy  f32 (rows)
// aliasing  dx may be x
// special   x = -inf is a masked entry: gradient 0. A row of -inf alone: the result is -inf, its gradient NaN.
//           A row with NaN or +inf comes out NaN
// accuracy  1e-6 of max(1, |log_sum|), whatever the offset; bit-identical from run to run and for any number of threads
// cost      forward reads x once (maximum and sum run along together), backward reads x and writes dx
// errors    std::invalid_argument with the shape
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct LogSumExp {
  std::int64_t rows;  // >= 0
  std::int64_t cols;  // >= 1

  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                         \
  template <class T>                                                                                \
  void row_log_sum(const LogSumExp& p, const T* x, float* max, float* log_sum, Stream stream);      \
  template <class T>                                                                                \
  void log_sum_exp_backward(const LogSumExp& p, const T* x, const float* max, const float* log_sum, \
                            const float* dy, T* dx, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
