#pragma once
// What the CPU twin of sinkhorn.h does to rows of scores, for both element types. Everything is inlined into the
// NAGARE_SIMD functions of sinkhorn.cpp, which alone includes this.
#include <cmath>
#include <cstdint>
#include <cstring>

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
    simd::exp_or_zero((v - max) * scale, v);
    sum += v * weight;
    simd::store_row(e, c, cols, v);
    simd::store_row(sums, c, cols, sum);
  }
}

// Exponents of the log domain, in double: s / e of a thousand would round to 6e-5 in f32, and that is how far its
// exponential would be off. Their differences from a maximum are small again, and go to f32.
using Wide = double __attribute__((vector_size(128)));

// s scale + shift, with one shift for all or one per column, which are padded to a multiple of 16.
template <class T>
NAGARE_INLINE void load_exponents(const T* s, std::int64_t c, std::int64_t cols, double scale, double shift,
                                  Wide& t) {
  Vector v;
  simd::load_row(s, c, cols, 0.0F, v);
  t = __builtin_convertvector(v, Wide) * scale + shift;
}
template <class T>
NAGARE_INLINE void load_exponents(const T* s, std::int64_t c, std::int64_t cols, double scale,
                                  const double* shifts, Wide& t) {
  Wide shift;
  std::memcpy(&shift, shifts + c, sizeof shift);
  load_exponents(s, c, cols, scale, 0.0, t);
  t += shift;
}
NAGARE_INLINE void exp_of(const Wide& t, Vector& y) {
  simd::exp_or_zero(__builtin_convertvector(t, Vector), y);
}

// -ln sum_k exp(s scale + g[k]); g is -inf behind the last column.
template <class T>
NAGARE_INLINE double log_u(const T* s, std::int64_t cols, double scale, const double* g) {
  Vector largest = Vector{} - INFINITY;
  Wide t;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    load_exponents(s, c, cols, scale, g, t);
    take_larger(__builtin_convertvector(t, Vector), largest);
  }
  const double max = simd::max(largest);
  Vector sum = {};
  Vector v;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    load_exponents(s, c, cols, scale, g, t);
    exp_of(t - max, v);
    sum += v;
  }
  return -(max + std::log(static_cast<double>(simd::sum(sum))));
}

// Running (max, sum) of every column over `count` rows' s scale + f.
template <class T>
NAGARE_INLINE void add_columns(const T* s, std::int64_t count, std::int64_t cols, double scale,
                               const double* f, float* max, float* sum) {
  Wide t;
  Vector v;
  Vector before;
  Vector total;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(max, c, cols, 0.0F, before);
    Vector largest = before;
    for (std::int64_t i = 0; i < count; ++i) {
      load_exponents(s + i * cols, c, cols, scale, f[i], t);
      take_larger(__builtin_convertvector(t, Vector), largest);
    }
    const Wide from = __builtin_convertvector(largest, Wide);
    simd::load_row(sum, c, cols, 0.0F, total);
    simd::exp_or_zero(before - largest, before);
    total *= before;
    for (std::int64_t i = 0; i < count; ++i) {
      load_exponents(s + i * cols, c, cols, scale, f[i], t);
      exp_of(t - from, v);
      total += v;
    }
    simd::store_row(max, c, cols, largest);
    simd::store_row(sum, c, cols, total);
  }
}

template <class T>
NAGARE_INLINE void assign_logs(const T* s, std::int64_t cols, double scale, const double* g, double f,
                               float* q) {
  Wide t;
  Vector v;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    load_exponents(s, c, cols, scale, g, t);
    exp_of(t + f, v);
    simd::store_row(q, c, cols, v);
  }
}

}  // namespace nagare::kernels::cpu
