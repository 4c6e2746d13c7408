#include "kernels/cross_entropy.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

namespace nagare::kernels {

void CrossEntropy::check() const {
  if (rows < 0 || cols < 1 || !(label_smoothing >= 0.0F && label_smoothing <= 1.0F)) {
    throw std::invalid_argument("cross_entropy: logits (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), label smoothing " +
                                std::to_string(label_smoothing) +
                                ": need rows >= 0, cols >= 1, smoothing in [0, 1]");
  }
}

namespace cpu {
namespace {

void check_targets(const CrossEntropy& p, const std::int64_t* target) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    if (target[r] < 0 || target[r] >= p.cols) {
      throw std::out_of_range("cross_entropy: target " + std::to_string(target[r]) + " of row " +
                              std::to_string(r) + ", there are " + std::to_string(p.cols) + " classes");
    }
  }
}

}  // namespace

void cross_entropy(const CrossEntropy& p, const float* x, const RowLogSum& s, const std::int64_t* target,
                   float* loss, Stream) {
  p.check();
  check_targets(p, target);
  parallel_for(p.rows, [=](std::int64_t r) {
    const float* in = x + r * p.cols;
    const double log_sum = s.log_sum[r];
    double value = (1.0 - p.label_smoothing) * (log_sum - (static_cast<double>(in[target[r]]) - s.max[r]));
    if (p.label_smoothing > 0.0F) {
      double sum = 0.0;
      for (std::int64_t c = 0; c < p.cols; ++c) sum += static_cast<double>(in[c]) - s.max[r];
      value += p.label_smoothing * (log_sum - sum / static_cast<double>(p.cols));
    }
    loss[r] = static_cast<float>(value);
  });
}

void cross_entropy_backward(const CrossEntropy& p, const float* x, const RowLogSum& s,
                            const std::int64_t* target, const float* dloss, float* dx, Stream) {
  p.check();
  const float scale = *dloss / static_cast<float>(p.rows);
  const float everywhere = p.label_smoothing / static_cast<float>(p.cols);
  parallel_for(p.rows, [=](std::int64_t r) {
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const std::int64_t i = r * p.cols + c;
      const float wanted = everywhere + (c == target[r] ? 1.0F - p.label_smoothing : 0.0F);
      dx[i] = scale * (std::exp((x[i] - s.max[r]) - s.log_sum[r]) - wanted);
    }
  });
}

void soft_cross_entropy(const CrossEntropy& p, const float* x, const RowLogSum& s, const float* q,
                        float* loss, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    double value = 0.0;
    for (std::int64_t i = r * p.cols; i < (r + 1) * p.cols; ++i) {
      if (q[i] != 0.0F) value += q[i] * (s.log_sum[r] - (static_cast<double>(x[i]) - s.max[r]));
    }
    loss[r] = static_cast<float>(value);
  });
}

void soft_cross_entropy_backward(const CrossEntropy& p, const float* x, const RowLogSum& s, const float* q,
                                 const float* dloss, float* dx, Stream) {
  p.check();
  const float scale = *dloss / static_cast<float>(p.rows);
  parallel_for(p.rows, [=](std::int64_t r) {
    double mass = 0.0;
    for (std::int64_t i = r * p.cols; i < (r + 1) * p.cols; ++i) mass += q[i];
    for (std::int64_t i = r * p.cols; i < (r + 1) * p.cols; ++i) {
      dx[i] = scale * (std::exp((x[i] - s.max[r]) - s.log_sum[r]) * static_cast<float>(mass) - q[i]);
    }
  });
}

}  // namespace cpu
}  // namespace nagare::kernels
