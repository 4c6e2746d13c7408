#include "kernels/row_softmax.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

namespace nagare::kernels {

void RowSoftmax::check() const {
  // Written as "not good", so that a NaN temperature is refused too.
  if (rows < 0 || cols < 1 || !(temperature > 0.0F && std::isfinite(temperature))) {
    throw std::invalid_argument("row_softmax: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "), temperature " + std::to_string(temperature) +
                                ": need rows >= 0, cols >= 1, temperature positive and finite");
  }
}

namespace {

// A row with NaN must come out NaN; std::max_element skips NaN, so it is looked for.
float row_max(const float* in, std::int64_t cols) {
  float max = in[0];
  for (std::int64_t c = 1; c < cols; ++c) max = in[c] > max || std::isnan(in[c]) ? in[c] : max;
  return max;
}

}  // namespace

void cpu::row_softmax(const RowSoftmax& p, const float* x, float* y, Stream) {
  p.check();
  parallel_for(p.rows, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const float max = row_max(in, p.cols);
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) {
      out[c] = std::exp((in[c] - max) * scale);
      sum += out[c];
    }
    const auto inverse = static_cast<float>(1.0 / sum);
    for (std::int64_t c = 0; c < p.cols; ++c) out[c] *= inverse;
  });
}

void cpu::row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    double dot = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) dot += static_cast<double>(out[c]) * upstream[c];
    for (std::int64_t c = 0; c < p.cols; ++c)
      grad[c] = out[c] * (upstream[c] - static_cast<float>(dot)) * scale;
  });
}

void cpu::row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream) {
  p.check();
  parallel_for(p.rows, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const float max = row_max(in, p.cols);
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) sum += std::exp((in[c] - max) * scale);
    const auto log_sum = static_cast<float>(std::log(sum));
    for (std::int64_t c = 0; c < p.cols; ++c) out[c] = (in[c] - max) * scale - log_sum;
  });
}

void cpu::row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) sum += upstream[c];
    for (std::int64_t c = 0; c < p.cols; ++c) {
      grad[c] = (upstream[c] - std::exp(out[c]) * static_cast<float>(sum)) * scale;
    }
  });
}

}  // namespace nagare::kernels
