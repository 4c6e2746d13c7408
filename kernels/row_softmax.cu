#include "kernels/row_softmax.h"

#include <cfloat>
#include <cmath>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// Part of a row: its maximum, and the sum of exp((x - max) * scale).
struct MaxSum {
  float max = -FLT_MAX;  // not -inf: a lane without columns would then compute -inf - -inf = NaN
  float sum = 0.0F;
};

__device__ MaxSum merge(MaxSum a, MaxSum b, float scale) {
  const float max = fmaxf(a.max, b.max);
  return {max, a.sum * expf((a.max - max) * scale) + b.sum * expf((b.max - max) * scale)};
}

// The whole row's (max, sum), in every lane.
__device__ MaxSum reduce_row(const float* in, std::int64_t cols, float scale, int lane) {
  MaxSum row;
  for (std::int64_t c = lane; c < cols; c += kWarp) row = merge(row, {in[c], 1.0F}, scale);
  for (int step = kWarp / 2; step > 0; step /= 2) {
    row = merge(row, {shuffle_xor(row.max, step), shuffle_xor(row.sum, step)}, scale);
  }
  // A row of -inf alone never raised the maximum: its sum is 0 and it comes out NaN, as the contract says.
  return row;
}

__global__ void softmax_rows(RowSoftmax p, float scale, const float* x, float* y) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const MaxSum row = reduce_row(in, p.cols, scale, lane);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) out[c] = expf((in[c] - row.max) * scale) / row.sum;
  });
}

__global__ void softmax_rows_backward(RowSoftmax p, float scale, const float* y, const float* dy, float* dx) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    float dot = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) dot += out[c] * upstream[c];
    dot = warp_sum(dot);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) grad[c] = out[c] * (upstream[c] - dot) * scale;
  });
}

__global__ void log_softmax_rows(RowSoftmax p, float scale, const float* x, float* y) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const MaxSum row = reduce_row(in, p.cols, scale, lane);
    // sum = 0: a row of -inf alone, NaN by contract.
    const float log_sum = row.sum > 0.0F ? logf(row.sum) : NAN;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) out[c] = (in[c] - row.max) * scale - log_sum;
  });
}

__global__ void log_softmax_rows_backward(RowSoftmax p, float scale, const float* y, const float* dy,
                                          float* dx) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    float sum = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) sum += upstream[c];
    sum = warp_sum(sum);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) grad[c] = (upstream[c] - expf(out[c]) * sum) * scale;
  });
}

}  // namespace

void row_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream) {
  p.check();
  launch_warp_per_row("row_softmax", softmax_rows, p.rows, stream, p, 1.0F / p.temperature, x, y);
}

void row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream) {
  p.check();
  launch_warp_per_row("row_softmax_backward", softmax_rows_backward, p.rows, stream, p, 1.0F / p.temperature,
                      y, dy, dx);
}

void row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream) {
  p.check();
  launch_warp_per_row("row_log_softmax", log_softmax_rows, p.rows, stream, p, 1.0F / p.temperature, x, y);
}

void row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx,
                              Stream stream) {
  p.check();
  launch_warp_per_row("row_log_softmax_backward", log_softmax_rows_backward, p.rows, stream, p,
                      1.0F / p.temperature, y, dy, dx);
}

}  // namespace nagare::kernels::cuda
