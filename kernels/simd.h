#pragma once
// NAGARE_SIMD compiles a plain loop for several vector widths; the processor's best is chosen when the
// program starts. Put it on a small function without lambdas or OpenMP inside (those would be compiled for
// the baseline only), and call that function from parallel_for. -ffp-contract=off makes all of them give the
// same bits, as long as the order of additions is written out.
#include <cstdint>
#include <cstring>

#include "kernels/bf16.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NAGARE_SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define NAGARE_SIMD
#endif

namespace nagare::simd {

// Sixteen floats that stay in registers whatever the width of the processor's own: for loops whose
// accumulators the compiler would otherwise keep in memory. Everything is inlined into the NAGARE_SIMD
// function that uses it.
inline constexpr std::int64_t kLanes = 16;
using Vector = float __attribute__((vector_size(64)));

#define NAGARE_INLINE inline __attribute__((always_inline))

namespace bits {
using U16 = std::uint16_t __attribute__((vector_size(32)));
using U32 = std::uint32_t __attribute__((vector_size(64)));
}  // namespace bits

// References instead of return values: the calling convention of a 64-byte vector depends on the target.
NAGARE_INLINE void load(const float* p, Vector& v) { std::memcpy(&v, p, sizeof v); }
NAGARE_INLINE void load(const bf16* p, Vector& v) {
  bits::U16 half;
  std::memcpy(&half, p, sizeof half);
  const bits::U32 wide = __builtin_convertvector(half, bits::U32) << 16;
  std::memcpy(&v, &wide, sizeof v);
}
NAGARE_INLINE void store(float* p, const Vector& v) { std::memcpy(p, &v, sizeof v); }
// bf16's constructor, sixteen at a time.
NAGARE_INLINE void store(bf16* p, const Vector& v) {
  bits::U32 u;
  std::memcpy(&u, &v, sizeof u);
  const bits::U32 rounded = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
  const bits::U32 quiet = (u >> 16) | 0x40U;
  const auto is_nan = (u & 0x7fffffffU) > 0x7f800000U;
  const bits::U32 chosen = is_nan ? quiet : rounded;
  const bits::U16 half = __builtin_convertvector(chosen, bits::U16);
  std::memcpy(static_cast<void*>(p), &half, sizeof half);
}

// The first `count` (1..16) of sixteen, the others set to `fill`; and back.
template <class T>
NAGARE_INLINE void load_first(const T* p, std::int64_t count, float fill, Vector& v) {
  v = Vector{} + fill;
  for (int i = 0; i < count; ++i) v[i] = nagare::load(p + i);
}
template <class T>
NAGARE_INLINE void store_first(T* p, std::int64_t count, const Vector& v) {
  for (int i = 0; i < count; ++i) nagare::store(p + i, v[i]);
}

// Entries c to c + 15 of a row of n: all sixteen, or those that there are.
template <class T>
NAGARE_INLINE void load_row(const T* row, std::int64_t c, std::int64_t n, float fill, Vector& v) {
  if (c + kLanes <= n) {
    load(row + c, v);
  } else {
    load_first(row + c, n - c, fill, v);
  }
}
template <class T>
NAGARE_INLINE void store_row(T* row, std::int64_t c, std::int64_t n, const Vector& v) {
  if (c + kLanes <= n) {
    store(row + c, v);
  } else {
    store_first(row + c, n - c, v);
  }
}

// The sixteen added (or the largest taken) as a tree, in the same order everywhere.
namespace bits {
using Half = float __attribute__((vector_size(32)));
using Quarter = float __attribute__((vector_size(16)));
}  // namespace bits

NAGARE_INLINE float sum(const Vector& v) {
  bits::Half half[2];
  std::memcpy(half, &v, sizeof half);
  half[0] += half[1];
  bits::Quarter quarter[2];
  std::memcpy(quarter, half, sizeof quarter);
  quarter[0] += quarter[1];
  const bits::Quarter q = quarter[0];
  return (q[0] + q[2]) + (q[1] + q[3]);
}
NAGARE_INLINE float max(const Vector& v) {
  bits::Half half[2];
  std::memcpy(half, &v, sizeof half);
  half[0] = half[0] > half[1] ? half[0] : half[1];
  bits::Quarter quarter[2];
  std::memcpy(quarter, half, sizeof quarter);
  const bits::Quarter q = quarter[0] > quarter[1] ? quarter[0] : quarter[1];
  const float even = q[0] > q[2] ? q[0] : q[2];
  const float odd = q[1] > q[3] ? q[1] : q[3];
  return even > odd ? even : odd;
}

// e^x: relative error below 2e-7 where the result is a normal number; 0 below -103.9 (subnormal results keep their
// absolute error), infinity above 88.72, NaN for NaN.
// x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7, 2^n by exponent bits in two halves,
// so that 2^-149 and 2^127 are both reached.
NAGARE_INLINE void exp(const Vector& x, Vector& y) {
  using I32 = std::int32_t __attribute__((vector_size(64)));
  const Vector low = Vector{} - 104.0F;
  const Vector high = Vector{} + 89.0F;
  Vector t = x > low ? x : low;  // NaN becomes `low` here and is put back at the end
  t = t < high ? t : high;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Vector n = (t * 1.44269504F + kRound) - kRound;
  Vector r = t - n * 0.693359375F;
  r = r - n * -2.12194440e-4F;
  Vector p = r * 1.98412698e-4F + 1.38888889e-3F;
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = (p * r) * r + r + 1.0F;
  const I32 exponent = __builtin_convertvector(n, I32);
  const I32 first = exponent >> 1;
  const I32 first_bits = (first + 127) << 23;
  const I32 second_bits = (exponent - first + 127) << 23;
  Vector first_power;
  Vector second_power;
  std::memcpy(&first_power, &first_bits, sizeof first_power);
  std::memcpy(&second_power, &second_bits, sizeof second_power);
  p = (p * first_power) * second_power;
  y = x == x ? p : x;
}

// e^x, but 0 below -69 (1e-30): for weights beside others near 1. Subnormal numbers, which exp() and products with its
// results would make there, cost the processor a hundred times as much as others.
NAGARE_INLINE void exp_or_zero(const Vector& x, Vector& y) {
  const Vector low = Vector{} - 69.0F;
  const auto is_nothing = x < low;
  const Vector t = is_nothing ? low : x;
  Vector e;
  exp(t, e);
  y = is_nothing ? Vector{} : e;
}

}  // namespace nagare::simd
