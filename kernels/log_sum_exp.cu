#include "kernels/log_sum_exp.h"

#include <cmath>

#include "kernels/row_exp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <int kTeam, class T>
__global__ void log_sum_rows(LogSumExp p, const T* x, float* max, float* log_sum) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const MaxSum row = row_max_and_sum<kTeam>(x + r * p.cols, p.cols, 1.0F, lane);
    if (lane == 0) {
      max[r] = row.max == -FLT_MAX ? 0.0F : row.max;  // all masked: 0 + log 0 is the -inf that it should be
      log_sum[r] = logf(row.sum);
    }
  });
}

template <int kTeam, class T>
__global__ void log_sum_rows_backward(LogSumExp p, const T* x, const float* max, const float* log_sum,
                                      const float* dy, T* dx) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    T* grad = dx + r * p.cols;
    for_each_run<kTeam>(x + r * p.cols, p.cols, lane, [&](std::int64_t c, auto v) {
      for (float& at : v.at) at = dy[r] * expf((at - max[r]) - log_sum[r]);
      store_run(grad + c, v);
    });
  });
}

}  // namespace

template <class T>
void row_log_sum(const LogSumExp& p, const T* x, float* max, float* log_sum, Stream stream) {
  p.check();
  launch_rows("row_log_sum", log_sum_rows<kWarp, T>, log_sum_rows<kBlock, T>, p.rows, p.cols, stream, p, x,
              max, log_sum);
}

template <class T>
void log_sum_exp_backward(const LogSumExp& p, const T* x, const float* max, const float* log_sum,
                          const float* dy, T* dx, Stream stream) {
  p.check();
  launch_rows("log_sum_exp_backward", log_sum_rows_backward<kWarp, T>, log_sum_rows_backward<kBlock, T>,
              p.rows, p.cols, stream, p, x, max, log_sum, dy, dx);
}

#define NAGARE_INSTANTIATE(T)                                                                              \
  template void row_log_sum(const LogSumExp&, const T*, float*, float*, Stream);                           \
  template void log_sum_exp_backward(const LogSumExp&, const T*, const float*, const float*, const float*, \
                                     T*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
