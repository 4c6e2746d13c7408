#include "kernels/l2_normalize.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

__global__ void normalize_rows(L2Normalize p, const float* x, float* y, float* norm) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    // Squares of x / largest: the row's length then neither overflows nor underflows in f32.
    float largest = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) largest = fmaxf(largest, fabsf(in[c]));
    largest = warp_max(largest);
    const float unit = largest > 0.0F ? largest : 1.0F;
    float sum = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) sum += (in[c] / unit) * (in[c] / unit);
    const float length = unit * sqrtf(warp_sum(sum));
    const float divisor = length < p.epsilon ? p.epsilon : length;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) y[r * p.cols + c] = in[c] / divisor;
    if (lane == 0) norm[r] = length;
  });
}

__global__ void normalize_rows_backward(L2Normalize p, const float* y, const float* norm, const float* dy,
                                        float* dx) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    const bool constant = norm[r] < p.epsilon;
    float along = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) along += out[c] * upstream[c];
    along = constant ? 0.0F : warp_sum(along);
    const float divisor = constant ? p.epsilon : norm[r];
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      dx[r * p.cols + c] = (upstream[c] - out[c] * along) / divisor;
    }
  });
}

}  // namespace

void l2_normalize(const L2Normalize& p, const float* x, float* y, float* norm, Stream stream) {
  p.check();
  launch_warp_per_row("l2_normalize", normalize_rows, p.rows, stream, p, x, y, norm);
}

void l2_normalize_backward(const L2Normalize& p, const float* y, const float* norm, const float* dy,
                           float* dx, Stream stream) {
  p.check();
  launch_warp_per_row("l2_normalize_backward", normalize_rows_backward, p.rows, stream, p, y, norm, dy, dx);
}

}  // namespace nagare::kernels::cuda
