#pragma once
// What the CPU twin of sinkhorn.h does to rows of scores, for both element types. Everything is inlined into the
// NAGARE_SIMD functions of sinkhorn.cpp, which alone includes this.
#include <cmath>
#include <cstdint>

#include "kernels/simd.h"

namespace nagare::kernels::cpu {

using simd::kLanes;
using simd::Vector;

NAGARE_INLINE void take_larger(const Vector& v, Vector& largest) { largest = v > largest ? v : largest; }

template <class T>
NAGARE_INLINE float row_max(const T* row, std::int64_t cols) {
  Vector a = Vector{} - INFINITY;
  Vector b = a;
  Vector v;
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= cols; c += 2 * kLanes) {
    simd::load(row + c, v);
    take_larger(v, a);
    simd::load(row + c + kLanes, v);
    take_larger(v, b);
  }
  for (; c < cols; c += kLanes) {
    simd::load_row(row, c, cols, -INFINITY, v);
    take_larger(v, a);
  }
  take_larger(b, a);
  return simd::max(a);
}

// e = exp((s - max) scale), and weight times that on top of the column sums.
template <class T>
NAGARE_INLINE void exponentials_of(const T* s, std::int64_t cols, float max, float scale, float weight,
                                   float* e, float* sums) {
  Vector v;
  Vector sum;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(s, c, cols, 0.0F, v);
    simd::load_row(sums, c, cols, 0.0F, sum);
    simd::exp((v - max) * scale, v);
    sum += v * weight;
    simd::store_row(e, c, cols, v);
    simd::store_row(sums, c, cols, sum);
  }
}

// -ln sum_k exp(s scale + g[k]).
template <class T>
NAGARE_INLINE float log_u(const T* s, std::int64_t cols, float scale, const float* g) {
  Vector largest = Vector{} - INFINITY;
  Vector v;
  Vector shift;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(s, c, cols, 0.0F, v);
    simd::load_row(g, c, cols, -INFINITY, shift);
    take_larger(v * scale + shift, largest);
  }
  const float max = simd::max(largest);
  Vector sum = {};
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(s, c, cols, 0.0F, v);
    simd::load_row(g, c, cols, -INFINITY, shift);
    simd::exp(v * scale + shift - max, v);
    sum += v;
  }
  return -(max + std::log(simd::sum(sum)));
}

// Running (max, sum) of every column over `count` rows' s scale + f.
template <class T>
NAGARE_INLINE void add_columns(const T* s, std::int64_t count, std::int64_t cols, float scale, const float* f,
                               float* max, float* sum) {
  Vector v;
  Vector before;
  Vector total;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(max, c, cols, 0.0F, before);
    Vector largest = before;
    for (std::int64_t i = 0; i < count; ++i) {
      simd::load_row(s + i * cols, c, cols, 0.0F, v);
      take_larger(v * scale + f[i], largest);
    }
    simd::load_row(sum, c, cols, 0.0F, total);
    simd::exp(before - largest, before);
    total *= before;
    for (std::int64_t i = 0; i < count; ++i) {
      simd::load_row(s + i * cols, c, cols, 0.0F, v);
      simd::exp(v * scale + f[i] - largest, v);
      total += v;
    }
    simd::store_row(max, c, cols, largest);
    simd::store_row(sum, c, cols, total);
  }
}

template <class T>
NAGARE_INLINE void assign_logs(const T* s, std::int64_t cols, float scale, const float* g, float f,
                               float* q) {
  Vector v;
  Vector shift;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(s, c, cols, 0.0F, v);
    simd::load_row(g, c, cols, 0.0F, shift);
    simd::exp(v * scale + shift + f, v);
    simd::store_row(q, c, cols, v);
  }
}

}  // namespace nagare::kernels::cpu
