#pragma once
// Logarithm and normal distribution of sixteen floats at once, beside exp in simd.h.
//
//   log          ln x; relative error below 3e-7; -infinity at 0, NaN below 0, infinity at infinity, NaN for NaN
//   normal       density exp(-x^2 / 2) / sqrt(2 pi) and cumulative probability Phi(x), of which the smaller tail has a
//                relative error below 1e-6 down to where it is no normal number (|x| = 13); NaN gives those of +20
#include "kernels/simd.h"

namespace nagare::simd {

// x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its series: s^2 < 0.03.
NAGARE_INLINE void log(const Vector& x, Vector& y) {
  using I32 = std::int32_t __attribute__((vector_size(64)));
  constexpr std::uint32_t kSqrtHalf = 0x3f3504f3;  // the bits of sqrt(1/2)
  const auto subnormal = x < 1.17549435e-38F;      // or not positive: put right at the end
  const Vector scaled = subnormal ? x * 8388608.0F : x;
  bits::U32 word;  // unsigned: those of a negative number wrap around, and end as NaN
  std::memcpy(&word, &scaled, sizeof word);
  const I32 exponent = reinterpret_cast<I32>(word - kSqrtHalf) >> 23;
  const bits::U32 mantissa_bits = word - (reinterpret_cast<bits::U32>(exponent) << 23);
  Vector m;
  std::memcpy(&m, &mantissa_bits, sizeof m);
  const Vector zero{};
  const Vector e = __builtin_convertvector(exponent, Vector) - (subnormal ? zero + 23.0F : zero);
  const Vector s = (m - 1.0F) / (m + 1.0F);
  const Vector t = s * s;
  Vector series = t * (2.0F / 9.0F) + 2.0F / 7.0F;
  series = series * t + 2.0F / 5.0F;
  series = series * t + 2.0F / 3.0F;
  const Vector log_m = 2.0F * s + s * (t * series);
  Vector r = e * 0.693359375F + (log_m + e * -2.12194440e-4F);
  r = x < __builtin_inff() ? r : x;  // infinity and NaN are their own logarithms
  r = x == 0.0F ? zero - __builtin_inff() : r;
  y = x < 0.0F ? zero + __builtin_nanf("") : r;
}

// With a = |x|: exp(-a^2 / 2) as exp(-h^2 / 2) (1 - d + ...), h the upper 12 bits of a, so that h^2 is exact; and
// Phi(-a) = exp(-a^2 / 2) t P(t), t = 1 / (1 + 0.3 a), P fitted on [0, 20] to 6e-9 of the value.
NAGARE_INLINE void normal(const Vector& x, Vector& density, Vector& cumulative) {
  const Vector zero{};
  Vector a = x < 0.0F ? -x : x;
  a = a < 20.0F ? a : zero + 20.0F;
  bits::U32 upper;
  std::memcpy(&upper, &a, sizeof upper);
  upper &= 0xfffff000U;
  Vector h;
  std::memcpy(&h, &upper, sizeof h);
  const Vector d = (a - h) * (a + h) * 0.5F;  // below 0.1
  Vector e;
  exp(h * h * -0.5F, e);
  const Vector series = 1.0F - d * (1.0F - d * (0.5F - d * (1.66666667e-1F - d * 4.16666667e-2F)));
  e *= series;
  const Vector t = 1.0F / (1.0F + 0.3F * a);
  constexpr float kFit[] = {1.09181366e-1F, -2.21100808e-1F, 1.83032489e-1F, -7.27635191e-2F, 9.29173483e-2F,
                            7.93934766e-2F, 1.10044952e-1F,  1.19591839e-1F, 1.19685803e-1F};
  Vector p = zero - 1.99829466e-2F;
  for (const float coefficient : kFit) p = p * t + coefficient;
  const Vector tail = e * (p * t);
  density = e * 0.398942280F;
  cumulative = x < 0.0F ? tail : 1.0F - tail;
}

}  // namespace nagare::simd
