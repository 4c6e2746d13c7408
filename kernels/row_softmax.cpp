#include "kernels/row_softmax.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/row_simd.h"

namespace nagare::kernels {

void RowSoftmax::check() const {
  // Written as "not good", so that a NaN temperature is refused too.
  if (rows < 0 || cols < 1 || !(temperature > 0.0F && std::isfinite(temperature))) {
    throw std::invalid_argument("row_softmax: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "), temperature " + std::to_string(temperature) +
                                ": need rows >= 0, cols >= 1, temperature positive and finite");
  }
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::kRowTile;
using simd::tile_end;
using simd::Vector;

NAGARE_SIMD void softmax_row(const float* x, std::int64_t n, float scale, float* y) {
  const float max = simd::row_max(x, 0, n, -INFINITY);
  double sum = 0.0;
  Vector v;
  for (std::int64_t tile = 0; tile < n; tile += kRowTile) {
    Vector total = {};
    for (std::int64_t c = tile; c < tile_end(tile, n); c += kLanes) {
      simd::load_row(x, c, n, -INFINITY, v);
      simd::exp_or_zero((v - max) * scale,
                        v);  // NaN where the row has NaN, +inf, or -inf alone: so is the sum, and all of y
      total += v;
      simd::store_row(y, c, n, v);
    }
    sum += simd::sum(total);
  }
  const auto inverse = static_cast<float>(1.0 / sum);
  for (std::int64_t c = 0; c < n; ++c) y[c] *= inverse;
}

NAGARE_SIMD void softmax_row_backward(const float* y, const float* dy, std::int64_t n, float scale,
                                      float* dx) {
  double dot = 0.0;
  Vector a;
  Vector b;
  for (std::int64_t tile = 0; tile < n; tile += kRowTile) {
    Vector total = {};
    for (std::int64_t c = tile; c < tile_end(tile, n); c += kLanes) {
      simd::load_row(y, c, n, 0.0F, a);
      simd::load_row(dy, c, n, 0.0F, b);
      total += a * b;
    }
    dot += simd::sum(total);
  }
  const auto mean = static_cast<float>(dot);
  for (std::int64_t c = 0; c < n; ++c) dx[c] = y[c] * (dy[c] - mean) * scale;
}

NAGARE_SIMD void log_softmax_row(const float* x, std::int64_t n, float scale, float* y) {
  float max = 0.0F;
  double sum = 0.0;
  simd::row_max_and_sum(x, n, scale, max, sum);
  const auto log_sum = static_cast<float>(std::log(sum));
  for (std::int64_t c = 0; c < n; ++c) y[c] = (x[c] - max) * scale - log_sum;
}

NAGARE_SIMD void log_softmax_row_backward(const float* y, const float* dy, std::int64_t n, float scale,
                                          float* dx) {
  double sum = 0.0;
  Vector a;
  Vector b;
  for (std::int64_t tile = 0; tile < n; tile += kRowTile) {
    Vector total = {};
    for (std::int64_t c = tile; c < tile_end(tile, n); c += kLanes) {
      simd::load_row(dy, c, n, 0.0F, b);
      total += b;
    }
    sum += simd::sum(total);
  }
  const auto mass = static_cast<float>(sum);
  for (std::int64_t c = 0; c < n; c += kLanes) {
    simd::load_row(y, c, n, 0.0F, a);
    simd::load_row(dy, c, n, 0.0F, b);
    simd::exp_or_zero(a, a);
    simd::store_row(dx, c, n, (b - a * mass) * scale);
  }
}

}  // namespace

void row_softmax(const RowSoftmax& p, const float* x, float* y, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    softmax_row(x + r * p.cols, p.cols, scale, y + r * p.cols);
  });
}

void row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    softmax_row_backward(y + r * p.cols, dy + r * p.cols, p.cols, scale, dx + r * p.cols);
  });
}

void row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    log_softmax_row(x + r * p.cols, p.cols, scale, y + r * p.cols);
  });
}

void row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=, scale = 1.0F / p.temperature](std::int64_t r) {
    log_softmax_row_backward(y + r * p.cols, dy + r * p.cols, p.cols, scale, dx + r * p.cols);
  });
}

}  // namespace cpu
}  // namespace nagare::kernels
