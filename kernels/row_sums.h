#pragma once
// Sums along one or two rows on the CPU, for the kernels that compare rows: everything is inlined into the
// NAGARE_SIMD function that uses it. Elements are float or bf16; lanes and partial sums have a fixed order.
#include "kernels/simd.h"

namespace nagare::kernels {

// a.a, b.b and a.b of two rows.
struct RowProducts {
  double aa;
  double bb;
  double ab;
};

// A sum of squares that f32 held without overflow, and without losing to underflow what matters; NaN is not.
inline bool is_sound(double squares) { return squares > 1e-20 && squares < 1e37; }

// The same in double, where no square of a float overflows: for rows that is_sound() refuses.
template <class A, class B>
RowProducts exact_row_products(std::int64_t n, const A* a, const B* b) {
  RowProducts sums{};
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = load(a + i);
    const double y = load(b + i);
    sums.aa += x * x;
    sums.bb += y * y;
    sums.ab += x * y;
  }
  return sums;
}

// The first `count` elements of sixteen, the rest 0; and back.
template <class T>
NAGARE_INLINE void get_row(const T* p, std::int64_t count, simd::Vector& v) {
  if (count == simd::kLanes) {
    simd::load(p, v);
  } else {
    simd::load_first(p, count, 0.0F, v);
  }
}

template <class T>
NAGARE_INLINE void put_row(T* p, std::int64_t count, const simd::Vector& v) {
  if (count == simd::kLanes) {
    simd::store(p, v);
  } else {
    simd::store_first(p, count, v);
  }
}

// sum a[i] b[i] in f32: four running sums of sixteen lanes, so that additions need not wait for one another.
template <class T>
NAGARE_INLINE float row_dot(std::int64_t n, const T* a, const T* b) {
  simd::Vector sum[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * simd::kLanes <= n; i += 4 * simd::kLanes) {
    for (int k = 0; k < 4; ++k) {
      simd::Vector x, y;
      simd::load(a + i + k * simd::kLanes, x);
      simd::load(b + i + k * simd::kLanes, y);
      sum[k] += x * y;
    }
  }
  for (; i < n; i += simd::kLanes) {
    const std::int64_t count = n - i < simd::kLanes ? n - i : simd::kLanes;
    simd::Vector x, y;
    get_row(a + i, count, x);
    get_row(b + i, count, y);
    sum[0] += x * y;
  }
  return simd::sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// All three sums in one pass.
template <class A, class B>
NAGARE_INLINE void row_products(std::int64_t n, const A* a, const B* b, RowProducts& out) {
  simd::Vector aa[2] = {};
  simd::Vector bb[2] = {};
  simd::Vector ab[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * simd::kLanes <= n; i += 2 * simd::kLanes) {
    for (int k = 0; k < 2; ++k) {
      simd::Vector x, y;
      simd::load(a + i + k * simd::kLanes, x);
      simd::load(b + i + k * simd::kLanes, y);
      aa[k] += x * x;
      bb[k] += y * y;
      ab[k] += x * y;
    }
  }
  for (; i < n; i += simd::kLanes) {
    const std::int64_t count = n - i < simd::kLanes ? n - i : simd::kLanes;
    simd::Vector x, y;
    get_row(a + i, count, x);
    get_row(b + i, count, y);
    aa[0] += x * x;
    bb[0] += y * y;
    ab[0] += x * y;
  }
  out = {simd::sum(aa[0] + aa[1]), simd::sum(bb[0] + bb[1]), simd::sum(ab[0] + ab[1])};
}

// out[i] = (a[i] * alpha + b[i] * beta) * scale; out may be a or b.
template <class T>
NAGARE_INLINE void row_combine(std::int64_t n, const T* a, float alpha, const T* b, float beta, float scale,
                               T* out) {
  for (std::int64_t i = 0; i < n; i += simd::kLanes) {
    const std::int64_t count = n - i < simd::kLanes ? n - i : simd::kLanes;
    simd::Vector x, y;
    get_row(a + i, count, x);
    get_row(b + i, count, y);
    put_row(out + i, count, (x * alpha + y * beta) * scale);
  }
}

}  // namespace nagare::kernels
