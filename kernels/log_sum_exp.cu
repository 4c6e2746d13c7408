#include "kernels/log_sum_exp.h"

#include <cmath>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

__global__ void log_sum_rows(LogSumExp p, const float* x, float* max, float* log_sum) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float largest = -INFINITY;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) largest = fmaxf(largest, in[c]);
    largest = warp_max(largest);
    if (largest == -INFINITY)
      largest = 0.0F;  // all masked: exp(-inf - 0) is 0, where -inf - -inf would be NaN
    float sum = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) sum += expf(in[c] - largest);
    sum = warp_sum(sum);
    if (lane == 0) {
      max[r] = largest;
      log_sum[r] = logf(sum);
    }
  });
}

__global__ void log_sum_rows_backward(LogSumExp p, const float* x, const float* max, const float* log_sum,
                                      const float* dy, float* dx) {
  for_each_index_of_this_thread(p.rows * p.cols, [=](std::int64_t i) {
    const std::int64_t r = i / p.cols;
    dx[i] = dy[r] * expf((x[i] - max[r]) - log_sum[r]);
  });
}

}  // namespace

void row_log_sum(const LogSumExp& p, const float* x, float* max, float* log_sum, Stream stream) {
  p.check();
  launch_warp_per_row("row_log_sum", log_sum_rows, p.rows, stream, p, x, max, log_sum);
}

void log_sum_exp_backward(const LogSumExp& p, const float* x, const float* max, const float* log_sum,
                          const float* dy, float* dx, Stream stream) {
  p.check();
  const std::int64_t n = p.rows * p.cols;
  if (n > 0) {
    launch("log_sum_exp_backward", log_sum_rows_backward, grid_for(n), kBlock, 0, stream, p, x, max, log_sum,
           dy, dx);
  }
}

}  // namespace nagare::kernels::cuda
