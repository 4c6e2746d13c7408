#pragma once
// Softmax and log-softmax of every row of a matrix, with temperature.
//
//   softmax       y[r,c] = exp((x[r,c] - m[r]) / T) / sum_k exp((x[r,k] - m[r]) / T),   m[r] = max_k x[r,k]
//                 dx[r,c] = y[r,c] * (dy[r,c] - sum_k y[r,k] dy[r,k]) / T
//   log_softmax   y[r,c] = x[r,c] / T - log sum_k exp(x[r,k] / T)
//                 dx[r,c] = (dy[r,c] - exp(y[r,c]) * sum_k dy[r,k]) / T
//
// x, y, dy, dx  f32 (rows, cols), row-major, contiguous, in the memory of the twin's device
// T             temperature, in units of x; positive (0.01 to 1 in self-supervised losses)
// aliasing      y may be x, dx may be dy; any other overlap is undefined
// special       x = -inf is a masked entry: softmax 0, log-softmax -inf. A row with NaN, with +inf, or of -inf alone
//               comes out NaN throughout, and no other row is touched by it
// accuracy      |y - exact| <= 1e-6 for softmax (CPU: below 1e-30 of the row's largest it is 0); bit-identical from run
//               to run; the twins differ in the last bits only
// cost          floor 8 bytes per element; x is read twice, the second time from cache while a row fits
// errors        std::invalid_argument with shape and temperature, before anything is written
// source        Bridle, NIPS 1989; running (max, sum): Milakov and Gimelshein, arXiv:1805.02867, algorithm 3
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::kernels {

// Forward and backward take the same struct, so they cannot disagree on what a row is.
struct RowSoftmax {
  std::int64_t rows;  // >= 0; an empty matrix is valid and does nothing
  std::int64_t cols;  // >= 1
  float temperature = 1.0F;

  void check() const;
};

namespace cpu {
void row_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream);
void row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream);
void row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream);
void row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream);
}  // namespace cpu

namespace cuda {
void row_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream);
void row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream);
void row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream);
void row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream);
}  // namespace cuda

}  // namespace nagare::kernels
