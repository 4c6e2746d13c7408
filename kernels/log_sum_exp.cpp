#include "kernels/log_sum_exp.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

namespace nagare::kernels {

void LogSumExp::check() const {
  if (rows < 0 || cols < 1) {
    throw std::invalid_argument("log_sum_exp: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "): need rows >= 0, cols >= 1");
  }
}

void cpu::row_log_sum(const LogSumExp& p, const float* x, float* max, float* log_sum, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const float* in = x + r * p.cols;
    float largest = in[0];
    for (std::int64_t c = 1; c < p.cols; ++c)
      largest = in[c] > largest || std::isnan(in[c]) ? in[c] : largest;
    if (largest == -INFINITY)
      largest = 0.0F;  // all masked: exp(-inf - 0) is 0, where -inf - -inf would be NaN
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) sum += std::exp(in[c] - largest);
    max[r] = largest;
    log_sum[r] = static_cast<float>(std::log(sum));
  });
}

void cpu::log_sum_exp_backward(const LogSumExp& p, const float* x, const float* max, const float* log_sum,
                               const float* dy, float* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    for (std::int64_t i = r * p.cols; i < (r + 1) * p.cols; ++i) {
      dx[i] = dy[r] * std::exp((x[i] - max[r]) - log_sum[r]);
    }
  });
}

}  // namespace nagare::kernels
