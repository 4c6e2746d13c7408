#include "kernels/cross_entropy.h"

#include <cmath>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

__global__ void row_losses(CrossEntropy p, const float* x, RowLogSum s, const std::int64_t* target,
                           float* loss) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float sum = 0.0F;
    if (p.label_smoothing > 0.0F) {
      for (std::int64_t c = lane; c < p.cols; c += kWarp) sum += in[c] - s.max[r];
      sum = warp_sum(sum);
    }
    if (lane != 0) return;
    const std::int64_t t = target[r];
    const float at_target = t >= 0 && t < p.cols ? in[t] - s.max[r] : NAN;
    float value = (1.0F - p.label_smoothing) * (s.log_sum[r] - at_target);
    if (p.label_smoothing > 0.0F)
      value += p.label_smoothing * (s.log_sum[r] - sum / static_cast<float>(p.cols));
    loss[r] = value;
  });
}

__global__ void row_losses_backward(CrossEntropy p, const float* x, RowLogSum s, const std::int64_t* target,
                                    const float* dloss, float* dx) {
  const float scale = *dloss / static_cast<float>(p.rows);
  const float everywhere = p.label_smoothing / static_cast<float>(p.cols);
  for_each_index_of_this_thread(p.rows * p.cols, [=](std::int64_t i) {
    const std::int64_t r = i / p.cols;
    const std::int64_t t = target[r];
    const float wanted = everywhere + (i % p.cols == t ? 1.0F - p.label_smoothing : 0.0F);
    const float gradient = scale * (expf((x[i] - s.max[r]) - s.log_sum[r]) - wanted);
    dx[i] = t >= 0 && t < p.cols ? gradient : NAN;
  });
}

__global__ void soft_row_losses(CrossEntropy p, const float* x, RowLogSum s, const float* q, float* loss) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    float sum = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      const std::int64_t i = r * p.cols + c;
      if (q[i] != 0.0F) sum += q[i] * (s.log_sum[r] - (x[i] - s.max[r]));
    }
    sum = warp_sum(sum);
    if (lane == 0) loss[r] = sum;
  });
}

__global__ void soft_row_losses_backward(CrossEntropy p, const float* x, RowLogSum s, const float* q,
                                         const float* dloss, float* dx) {
  const float scale = *dloss / static_cast<float>(p.rows);
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    float mass = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) mass += q[r * p.cols + c];
    mass = warp_sum(mass);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      const std::int64_t i = r * p.cols + c;
      dx[i] = scale * (expf((x[i] - s.max[r]) - s.log_sum[r]) * mass - q[i]);
    }
  });
}

}  // namespace

void cross_entropy(const CrossEntropy& p, const float* x, const RowLogSum& s, const std::int64_t* target,
                   float* loss, Stream stream) {
  p.check();
  launch_warp_per_row("cross_entropy", row_losses, p.rows, stream, p, x, s, target, loss);
}

void cross_entropy_backward(const CrossEntropy& p, const float* x, const RowLogSum& s,
                            const std::int64_t* target, const float* dloss, float* dx, Stream stream) {
  p.check();
  const std::int64_t n = p.rows * p.cols;
  if (n > 0) {
    launch("cross_entropy_backward", row_losses_backward, grid_for(n), kBlock, 0, stream, p, x, s, target,
           dloss, dx);
  }
}

void soft_cross_entropy(const CrossEntropy& p, const float* x, const RowLogSum& s, const float* q,
                        float* loss, Stream stream) {
  p.check();
  launch_warp_per_row("soft_cross_entropy", soft_row_losses, p.rows, stream, p, x, s, q, loss);
}

void soft_cross_entropy_backward(const CrossEntropy& p, const float* x, const RowLogSum& s, const float* q,
                                 const float* dloss, float* dx, Stream stream) {
  p.check();
  launch_warp_per_row("soft_cross_entropy_backward", soft_row_losses_backward, p.rows, stream, p, x, s, q,
                      dloss, dx);
}

}  // namespace nagare::kernels::cuda
