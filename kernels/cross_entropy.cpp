#include "kernels/cross_entropy.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/row_simd.h"

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

using simd::kLanes;
using simd::kRowTile;
using simd::tile_end;
using simd::Vector;

// sum_c (x - max)
template <class T>
NAGARE_INLINE double sum_of(const T* x, std::int64_t n, float max) {
  double sum = 0.0;
  Vector v;
  for (std::int64_t tile = 0; tile < n; tile += kRowTile) {
    Vector total = {};
    for (std::int64_t c = tile; c < tile_end(tile, n); c += kLanes) {
      simd::load_row(x, c, n, max, v);
      total += v - max;
    }
    sum += simd::sum(total);
  }
  return sum;
}

// sum_c q (log_sum - (x - max))
template <class T>
NAGARE_INLINE double loss_of(const T* x, const float* q, std::int64_t n, float max, float log_sum) {
  double sum = 0.0;
  Vector v;
  Vector weight;
  for (std::int64_t tile = 0; tile < n; tile += kRowTile) {
    Vector total = {};
    for (std::int64_t c = tile; c < tile_end(tile, n); c += kLanes) {
      simd::load_row(x, c, n, 0.0F, v);
      simd::load_row(q, c, n, 0.0F, weight);
      v = weight * (log_sum - (v - max));
      total += weight != 0.0F ? v : Vector{};
    }
    sum += simd::sum(total);
  }
  return sum;
}

// dx = scale (p mass - everywhere - q); q may be nullptr.
template <class T>
NAGARE_INLINE void gradient_of(const T* x, const float* q, std::int64_t n, float max, float log_sum,
                               float mass, float everywhere, float scale, T* dx) {
  Vector v;
  Vector weight = Vector{} + everywhere;
  for (std::int64_t c = 0; c < n; c += kLanes) {
    simd::load_row(x, c, n, 0.0F, v);
    if (q != nullptr) simd::load_row(q, c, n, 0.0F, weight);
    simd::exp_or_zero((v - max) - log_sum, v);
    simd::store_row(dx, c, n, (v * mass - weight) * scale);
  }
}

NAGARE_SIMD double mass_of(const float* q, std::int64_t n) { return sum_of(q, n, 0.0F); }

#define NAGARE_DEFINE_ROWS(T)                                                                          \
  NAGARE_SIMD double shifted_sum(const T* x, std::int64_t n, float max) { return sum_of(x, n, max); }  \
  NAGARE_SIMD double soft_loss(const T* x, const float* q, std::int64_t n, float max, float log_sum) { \
    return loss_of(x, q, n, max, log_sum);                                                             \
  }                                                                                                    \
  NAGARE_SIMD void gradient_row(const T* x, const float* q, std::int64_t n, float max, float log_sum,  \
                                float mass, float everywhere, float scale, T* dx) {                    \
    gradient_of(x, q, n, max, log_sum, mass, everywhere, scale, dx);                                   \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS

}  // namespace

template <class T>
void cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const std::int64_t* target,
                   float* loss, Stream) {
  p.check();
  check_targets(p, target);
  const double smoothing = p.label_smoothing;
  // Without smoothing a row is one entry.
  simd::for_each_row(p.rows, smoothing > 0.0 ? p.cols : 1, [=](std::int64_t r) {
    const T* in = x + r * p.cols;
    const double log_sum = s.log_sum[r];
    double value = (1.0 - smoothing) * (log_sum - (static_cast<double>(load(in + target[r])) - s.max[r]));
    if (smoothing > 0.0) {
      value += smoothing * (log_sum - shifted_sum(in, p.cols, s.max[r]) / static_cast<double>(p.cols));
    }
    loss[r] = static_cast<float>(value);
  });
}

template <class T>
void cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s, const std::int64_t* target,
                            const float* dloss, T* dx, Stream) {
  p.check();
  check_targets(p, target);
  const float scale = *dloss / static_cast<float>(p.rows);
  const float everywhere = p.label_smoothing / static_cast<float>(p.cols);
  simd::for_each_row(p.rows, p.cols, [=](std::int64_t r) {
    const std::int64_t t = r * p.cols + target[r];
    const float at_target = std::exp((load(x + t) - s.max[r]) - s.log_sum[r]);  // before dx, which may be x
    gradient_row(x + r * p.cols, nullptr, p.cols, s.max[r], s.log_sum[r], 1.0F, everywhere, scale,
                 dx + r * p.cols);
    store(dx + t, scale * (at_target - everywhere - (1.0F - p.label_smoothing)));
  });
}

template <class T>
void soft_cross_entropy(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q, float* loss,
                        Stream) {
  p.check();
  simd::for_each_row(p.rows, p.cols, [=](std::int64_t r) {
    loss[r] = static_cast<float>(soft_loss(x + r * p.cols, q + r * p.cols, p.cols, s.max[r], s.log_sum[r]));
  });
}

template <class T>
void soft_cross_entropy_backward(const CrossEntropy& p, const T* x, const RowLogSum& s, const float* q,
                                 const float* dloss, T* dx, Stream) {
  p.check();
  const float scale = *dloss / static_cast<float>(p.rows);
  simd::for_each_row(p.rows, p.cols, [=](std::int64_t r) {
    const auto mass = static_cast<float>(mass_of(q + r * p.cols, p.cols));
    gradient_row(x + r * p.cols, q + r * p.cols, p.cols, s.max[r], s.log_sum[r], mass, 0.0F, scale,
                 dx + r * p.cols);
  });
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

}  // namespace cpu
}  // namespace nagare::kernels
