#include "kernels/cross_entropy.h"

#include <cmath>

#include "kernels/row_exp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <int kTeam, class T>
__global__ void row_losses(CrossEntropy p, const T* x, RowLogSum s, const std::int64_t* target, float* loss) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const T* in = x + r * p.cols;
    float sum = 0.0F;
    if (p.label_smoothing > 0.0F) {
      for_each_run<kTeam>(in, p.cols, lane, [&](std::int64_t, const auto& v) {
        for (const float at : v.at) sum += at - s.max[r];
      });
      sum = team_sum<kTeam>(sum);
    }
    if (lane != 0) return;
    const std::int64_t t = target[r];
    const float at_target = t >= 0 && t < p.cols ? load(in + t) - s.max[r] : NAN;
    float value = (1.0F - p.label_smoothing) * (s.log_sum[r] - at_target);
    if (p.label_smoothing > 0.0F)
      value += p.label_smoothing * (s.log_sum[r] - sum / static_cast<float>(p.cols));
    loss[r] = value;
  });
}

template <int kTeam, class T>
__global__ void row_losses_backward(CrossEntropy p, const T* x, RowLogSum s, const std::int64_t* target,
                                    const float* dloss, T* dx) {
  const float scale = *dloss / static_cast<float>(p.rows);
  const float everywhere = p.label_smoothing / static_cast<float>(p.cols);
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const std::int64_t t = target[r];
    const bool valid = t >= 0 && t < p.cols;
    for_each_run<kTeam>(x + r * p.cols, p.cols, lane, [&]<int N>(std::int64_t c, Run<N> v) {
      for (int i = 0; i < N; ++i) {
        const float wanted = everywhere + (c + i == t ? 1.0F - p.label_smoothing : 0.0F);
        v.at[i] = valid ? scale * (expf((v.at[i] - s.max[r]) - s.log_sum[r]) - wanted) : NAN;
      }
      store_run(dx + r * p.cols + c, v);
    });
  });
}

template <int kTeam, class T>
__global__ void soft_row_losses(CrossEntropy p, const T* x, RowLogSum s, const float* q, float* loss) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    float sum = 0.0F;
    for_each_run<kTeam>(x + r * p.cols, p.cols, lane, [&]<int N>(std::int64_t c, const Run<N>& v) {
      const Run<N> weight = load_run<N>(q + r * p.cols + c);
      for (int i = 0; i < N; ++i) {
        if (weight.at[i] != 0.0F) sum += weight.at[i] * (s.log_sum[r] - (v.at[i] - s.max[r]));
      }
    });
    sum = team_sum<kTeam>(sum);
    if (lane == 0) loss[r] = sum;
  });
}

template <int kTeam, class T>
__global__ void soft_row_losses_backward(CrossEntropy p, const T* x, RowLogSum s, const float* q,
                                         const float* dloss, T* dx) {
  const float scale = *dloss / static_cast<float>(p.rows);
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const float* weights = q + r * p.cols;
    float mass = 0.0F;
    for_each_run<kTeam>(weights, p.cols, lane, [&](std::int64_t, const auto& v) {
      for (const float at : v.at) mass += at;
    });
    mass = team_sum<kTeam>(mass);
    for_each_run<kTeam>(x + r * p.cols, p.cols, lane, [&]<int N>(std::int64_t c, Run<N> v) {
      const Run<N> weight = load_run<N>(weights + c);
      for (int i = 0; i < N; ++i) {
        v.at[i] = scale * (expf((v.at[i] - s.max[r]) - s.log_sum[r]) * mass - weight.at[i]);
      }
      store_run(dx + r * p.cols + c, v);
    });
  });
}

}  // namespace

template <class T>
void cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const std::int64_t* target,
                   float* loss, Stream stream) {
  p.check();
  // Without smoothing a row is one entry, whatever its length.
  launch_rows("cross_entropy", row_losses<kWarp, T>, row_losses<kBlock, T>, p.rows,
              p.label_smoothing > 0.0F ? p.cols : 1, stream, p, x, s, target, loss);
}

template <class T>
void cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s, const std::int64_t* target,
                            const float* dloss, T* dx, Stream stream) {
  p.check();
  launch_rows("cross_entropy_backward", row_losses_backward<kWarp, T>, row_losses_backward<kBlock, T>, p.rows,
              p.cols, stream, p, x, s, target, dloss, dx);
}

template <class T>
void soft_cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q, float* loss,
                        Stream stream) {
  p.check();
  launch_rows("soft_cross_entropy", soft_row_losses<kWarp, T>, soft_row_losses<kBlock, T>, p.rows, p.cols,
              stream, p, x, s, q, loss);
}

template <class T>
void soft_cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q,
                                 const float* dloss, T* dx, Stream stream) {
  p.check();
  launch_rows("soft_cross_entropy_backward", soft_row_losses_backward<kWarp, T>,
              soft_row_losses_backward<kBlock, T>, p.rows, p.cols, stream, p, x, s, q, dloss, dx);
}

#define NAGARE_INSTANTIATE(T)                                                                                \
  template void cross_entropy(const CrossEntropy&, const T*, const RowLogSum&, const std::int64_t*, float*,  \
                              Stream);                                                                       \
  template void cross_entropy_backward(const CrossEntropy&, const T*, const RowLogSum&, const std::int64_t*, \
                                       const float*, T*, Stream);                                            \
  template void soft_cross_entropy(const CrossEntropy&, const T*, const RowLogSum&, const float*, float*,    \
                                   Stream);                                                                  \
  template void soft_cross_entropy_backward(const CrossEntropy&, const T*, const RowLogSum&, const float*,   \
                                            const float*, T*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
