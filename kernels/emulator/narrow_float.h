#pragma once
// 16-bit floating point with E exponent and M mantissa bits: bfloat16 is <8, 7>, half is <5, 10>.
//
// rounding  to nearest, ties to even; beyond the range infinity; every NaN becomes 0x7FFF, as on a GPU
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace nagare::emulator {

template <int E, int M>
std::uint16_t narrow(double value) {
  constexpr int kSmallest = 2 - (1 << (E - 1));  // exponent of the smallest normal number
  constexpr unsigned kInfinity = ((1U << E) - 1U) << M;
  const unsigned sign = std::signbit(value) ? 0x8000U : 0U;
  if (std::isnan(value)) return 0x7FFFU;
  if (value == 0.0) return static_cast<std::uint16_t>(sign);
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | kInfinity);
  int exponent = 0;
  const double size = std::fabs(value);
  std::frexp(size, &exponent);
  const int unit = std::max(exponent - 1, kSmallest) - M;  // of the last place
  // A count of units; a normal number's leading bit adds one to the exponent's field, a carry one more.
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(size, -unit)));
  const unsigned bits = (static_cast<unsigned>(unit + M - kSmallest) << M) + units;
  return static_cast<std::uint16_t>(sign | std::min(bits, kInfinity));
}

template <int E, int M>
float widen(std::uint16_t bits) {
  constexpr int kSmallest = 2 - (1 << (E - 1));
  const int field = bits >> M & ((1 << E) - 1);
  const int mantissa = bits & ((1 << M) - 1);
  float size = 0.0F;
  if (field == (1 << E) - 1) {
    size = mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else {
    size = std::ldexp(static_cast<float>(mantissa + (field > 0 ? 1 << M : 0)),
                      std::max(field, 1) - 1 + kSmallest - M);
  }
  return (bits & 0x8000U) != 0 ? -size : size;
}

// Arithmetic as a GPU does it: each operation exact, rounded once. (A double holds any sum or product of the two.)
template <int E, int M>
struct NarrowFloat {
  std::uint16_t bits = 0;

  NarrowFloat() = default;
  NarrowFloat(double value) : bits(narrow<E, M>(value)) {}  // implicit, as CUDA's
  operator float() const { return widen<E, M>(bits); }

  static NarrowFloat from_bits(std::uint16_t bits) {
    NarrowFloat made;
    made.bits = bits;
    return made;
  }
  friend NarrowFloat operator-(NarrowFloat a) { return from_bits(a.bits ^ 0x8000U); }
  friend NarrowFloat operator+(NarrowFloat a, NarrowFloat b) { return {wide(a) + wide(b)}; }
  friend NarrowFloat operator-(NarrowFloat a, NarrowFloat b) { return {wide(a) - wide(b)}; }
  friend NarrowFloat operator*(NarrowFloat a, NarrowFloat b) { return {wide(a) * wide(b)}; }
  friend NarrowFloat operator/(NarrowFloat a, NarrowFloat b) { return {wide(a) / wide(b)}; }
  NarrowFloat& operator+=(NarrowFloat b) { return *this = *this + b; }
  NarrowFloat& operator-=(NarrowFloat b) { return *this = *this - b; }
  NarrowFloat& operator*=(NarrowFloat b) { return *this = *this * b; }
  NarrowFloat& operator/=(NarrowFloat b) { return *this = *this / b; }
  friend bool operator==(NarrowFloat a, NarrowFloat b) { return wide(a) == wide(b); }
  friend bool operator<(NarrowFloat a, NarrowFloat b) { return wide(a) < wide(b); }
  friend bool operator>(NarrowFloat a, NarrowFloat b) { return wide(a) > wide(b); }
  friend bool operator<=(NarrowFloat a, NarrowFloat b) { return wide(a) <= wide(b); }
  friend bool operator>=(NarrowFloat a, NarrowFloat b) { return wide(a) >= wide(b); }

  static double wide(NarrowFloat a) { return static_cast<float>(a); }
};

}  // namespace nagare::emulator

// The functions that CUDA has for `type` and its pair; `name` is how they call it.
#define NAGARE_NARROW_FLOAT(type, name)                                                                  \
  struct alignas(4) type##2 {                                                                            \
    type x, y;                                                                                           \
  };                                                                                                     \
  inline type __float2##name(float x) { return {x}; }                                                    \
  inline type __float2##name##_rn(float x) { return {x}; }                                               \
  inline type __double2##name(double x) { return {x}; }                                                  \
  inline float __##name##2float(type x) { return x; }                                                    \
  inline unsigned short __##name##_as_ushort(type x) { return x.bits; }                                  \
  inline type __ushort_as_##name(unsigned short bits) { return type::from_bits(bits); }                  \
  inline type##2 __floats2##name##2_rn(float x, float y) { return {x, y}; }                              \
  inline type##2 __float22##name##2_rn(float2 v) { return {v.x, v.y}; }                                  \
  inline float2 __##name##22float2(type##2 v) { return {v.x, v.y}; }                                     \
  inline float __low2float(type##2 v) { return v.x; }                                                    \
  inline float __high2float(type##2 v) { return v.y; }                                                   \
  inline type __hadd(type a, type b) { return a + b; }                                                   \
  inline type __hsub(type a, type b) { return a - b; }                                                   \
  inline type __hmul(type a, type b) { return a * b; }                                                   \
  inline type __hdiv(type a, type b) { return a / b; }                                                   \
  inline type __hneg(type a) { return -a; }                                                              \
  inline type __habs(type a) { return type::from_bits(a.bits & 0x7FFFU); }                               \
  inline type __hfma(type a, type b, type c) { return {type::wide(a) * type::wide(b) + type::wide(c)}; } \
  inline type __hmax(type a, type b) { return {std::fmax(type::wide(a), type::wide(b))}; }               \
  inline type __hmin(type a, type b) { return {std::fmin(type::wide(a), type::wide(b))}; }               \
  inline bool __hisnan(type a) { return std::isnan(type::wide(a)); }                                     \
  inline type##2 __hadd2(type##2 a, type##2 b) { return {a.x + b.x, a.y + b.y}; }                        \
  inline type##2 __hsub2(type##2 a, type##2 b) { return {a.x - b.x, a.y - b.y}; }                        \
  inline type##2 __hmul2(type##2 a, type##2 b) { return {a.x * b.x, a.y * b.y}; }                        \
  inline type##2 __hfma2(type##2 a, type##2 b, type##2 c) {                                              \
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};                                               \
  }
