#include "kernels/log_sum_exp.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/row_simd.h"

namespace nagare::kernels {

void LogSumExp::check() const {
  if (rows < 0 || cols < 1) {
    throw std::invalid_argument("log_sum_exp: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "): need rows >= 0, cols >= 1");
  }
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::Vector;

template <class T>
NAGARE_INLINE void backward_of(const T* x, std::int64_t n, float max, float log_sum, float dy, T* dx) {
  Vector v;
  for (std::int64_t c = 0; c < n; c += kLanes) {
    simd::load_row(x, c, n, 0.0F, v);
    simd::exp_or_zero((v - max) - log_sum, v);
    simd::store_row(dx, c, n, v * dy);
  }
}

#define NAGARE_DEFINE_ROWS(T)                                                                            \
  NAGARE_SIMD void max_and_sum(const T* x, std::int64_t n, float& max, double& sum) {                    \
    simd::row_max_and_sum(x, n, 1.0F, max, sum);                                                         \
  }                                                                                                      \
  NAGARE_SIMD void backward_row(const T* x, std::int64_t n, float max, float log_sum, float dy, T* dx) { \
    backward_of(x, n, max, log_sum, dy, dx);                                                             \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS

}  // namespace

template <class T>
void row_log_sum(const LogSumExp& p, const T* x, float* max, float* log_sum, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=](std::int64_t r) {
    float largest = 0.0F;
    double sum = 0.0;
    max_and_sum(x + r * p.cols, p.cols, largest, sum);
    max[r] = largest == -INFINITY ? 0.0F : largest;  // all masked: 0 + log 0 is the -inf that it should be
    log_sum[r] = static_cast<float>(std::log(sum));
  });
}

template <class T>
void log_sum_exp_backward(const LogSumExp& p, const T* x, const float* max, const float* log_sum,
                          const float* dy, T* dx, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=](std::int64_t r) {
    backward_row(x + r * p.cols, p.cols, max[r], log_sum[r], dy[r], dx + r * p.cols);
  });
}

#define NAGARE_INSTANTIATE(T)                                                                              \
  template void row_log_sum(const LogSumExp&, const T*, float*, float*, Stream);                           \
  template void log_sum_exp_backward(const LogSumExp&, const T*, const float*, const float*, const float*, \
                                     T*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
