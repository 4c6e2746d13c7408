#include "kernels/l2_normalize.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/row_sums.h"

namespace nagare::kernels {

void L2Normalize::check() const {
  if (rows < 0 || cols < 1 || !(epsilon > 0.0F && std::isnormal(epsilon))) {
    throw std::invalid_argument("l2_normalize: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "), epsilon " + std::to_string(epsilon) +
                                ": need rows >= 0, cols >= 1, epsilon positive, finite and not subnormal");
  }
}

namespace cpu {
namespace {

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_ROWS(T)                                                                          \
  NAGARE_SIMD float squares(std::int64_t n, const T* x) { return row_dot(n, x, x); }                   \
  NAGARE_SIMD void scale_row(std::int64_t n, const T* x, float factor, T* y) {                         \
    row_combine(n, x, factor, x, 0.0F, 1.0F, y);                                                       \
  }                                                                                                    \
  NAGARE_SIMD void backward_row(std::int64_t n, const T* y, bool constant, float inverse, const T* dy, \
                                T* dx) {                                                               \
    row_combine(n, dy, 1.0F, y, constant ? 0.0F : -row_dot(n, y, dy), inverse, dx);                    \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS

}  // namespace

template <class T>
void l2_normalize(const L2Normalize& p, const T* x, T* y, float* norm, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const T* in = x + r * p.cols;
    double sum = squares(p.cols, in);
    if (!is_sound(sum)) sum = exact_row_products(p.cols, in, in).aa;
    const double length = std::sqrt(sum);
    norm[r] = static_cast<float>(length);
    const double divisor = length < p.epsilon ? p.epsilon : length;  // NaN stays
    scale_row(p.cols, in, static_cast<float>(1.0 / divisor), y + r * p.cols);
  });
}

template <class T>
void l2_normalize_backward(const L2Normalize& p, const T* y, const float* norm, const T* dy, T* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const bool constant = norm[r] < p.epsilon;
    const float inverse = 1.0F / (constant ? p.epsilon : norm[r]);
    backward_row(p.cols, y + r * p.cols, constant, inverse, dy + r * p.cols, dx + r * p.cols);
  });
}

#define NAGARE_INSTANTIATE(T)                                                   \
  template void l2_normalize(const L2Normalize&, const T*, T*, float*, Stream); \
  template void l2_normalize_backward(const L2Normalize&, const T*, const float*, const T*, T*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
