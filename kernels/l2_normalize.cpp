#include "kernels/l2_normalize.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void L2Normalize::check() const {
  if (rows < 0 || cols < 1 || !(epsilon > 0.0F && std::isfinite(epsilon))) {
    throw std::invalid_argument("l2_normalize: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "), epsilon " + std::to_string(epsilon) +
                                ": need rows >= 0, cols >= 1, epsilon positive and finite");
  }
}

namespace cpu {
namespace {

constexpr int kLanes = 16;

// Lanes are written out, so that every vector width adds in the same order. In double no square overflows.
NAGARE_SIMD double dot(std::int64_t n, const float* a, const float* b) {
  double lane[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lane[l] += static_cast<double>(a[i + l]) * b[i + l];
  }
  for (; i < n; ++i) lane[i % kLanes] += static_cast<double>(a[i]) * b[i];
  double sum = 0.0;
  for (const double part : lane) sum += part;
  return sum;
}

}  // namespace

void l2_normalize(const L2Normalize& p, const float* x, float* y, float* norm, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const float* in = x + r * p.cols;
    const double length = std::sqrt(dot(p.cols, in, in));
    const double divisor = length < p.epsilon ? p.epsilon : length;  // NaN stays
    norm[r] = static_cast<float>(length);
    for (std::int64_t c = 0; c < p.cols; ++c) y[r * p.cols + c] = static_cast<float>(in[c] / divisor);
  });
}

void l2_normalize_backward(const L2Normalize& p, const float* y, const float* norm, const float* dy,
                           float* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    const bool constant = norm[r] < p.epsilon;
    const double along = constant ? 0.0 : dot(p.cols, out, upstream);
    const double divisor = constant ? p.epsilon : norm[r];
    for (std::int64_t c = 0; c < p.cols; ++c) {
      dx[r * p.cols + c] = static_cast<float>((upstream[c] - out[c] * along) / divisor);
    }
  });
}

}  // namespace cpu
}  // namespace nagare::kernels
