#pragma once
// Loads and stores with a cache hint, bits and floating point.
//
// Functions that a GPU rounds its own way (__expf, rsqrtf, __fdividef ...) are computed as exactly as the host can, so
// kernels are compared within tolerances.
#include <math.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/emulator/atomics.h"
#include "kernels/emulator/scheduler.h"

// ---- Memory and bits ----
// The hints change where a GPU caches, nothing else; a wrong alignment is an error there and here.
#define NAGARE_EMULATED_LOAD(name)                                 \
  template <class T>                                               \
  T name(const T* address) {                                       \
    return *nagare::emulator::aligned(#name, address, alignof(T)); \
  }
NAGARE_EMULATED_LOAD(__ldg)
NAGARE_EMULATED_LOAD(__ldca)
NAGARE_EMULATED_LOAD(__ldcg)
NAGARE_EMULATED_LOAD(__ldcs)
NAGARE_EMULATED_LOAD(__ldcv)
NAGARE_EMULATED_LOAD(__ldlu)
#undef NAGARE_EMULATED_LOAD
#define NAGARE_EMULATED_STORE(name)                                 \
  template <class T>                                                \
  void name(T* address, std::type_identity_t<T> value) {            \
    *nagare::emulator::aligned(#name, address, alignof(T)) = value; \
  }
NAGARE_EMULATED_STORE(__stcg)
NAGARE_EMULATED_STORE(__stcs)
NAGARE_EMULATED_STORE(__stwb)
NAGARE_EMULATED_STORE(__stwt)
#undef NAGARE_EMULATED_STORE
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline int __ffsll(long long x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1;
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1U) << (31 - bit);
  return reversed;
}
inline unsigned long long __brevll(unsigned long long x) {
  return std::uint64_t{__brev(static_cast<unsigned>(x))} << 32 | __brev(static_cast<unsigned>(x >> 32));
}
// Bytes picked from the eight of (y, x) by the low three bits of each digit of the selector; its high bit spreads the sign.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned digit = selector >> 4 * i & 0xfU;
    const auto byte = static_cast<unsigned>(bytes >> 8 * (digit & 7U)) & 0xffU;
    const unsigned filled = (byte & 0x80U) != 0 ? 0xffU : 0U;
    result |= ((digit & 8U) != 0 ? filled : byte) << 8 * i;
  }
  return result;
}
// The upper or lower half of (high, low) shifted by 0 to 31.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) << (shift & 31U) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31U));
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
__extension__ typedef unsigned __int128 nagare_uint128;
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<nagare_uint128>(a) * b >> 64);
}
inline int __mulhi(int a, int b) { return static_cast<int>((std::int64_t{a} * b) >> 32); }

// ---- Floating point ----
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0F, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0F / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / sqrt(static_cast<double>(x))); }
// NaN gives 0, as on a GPU.
inline float __saturatef(float x) { return x > 0.0F ? (x < 1.0F ? x : 1.0F) : 0.0F; }
inline float rsqrtf(float x) { return __frsqrt_rn(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float fdividef(float x, float y) { return x / y; }
inline float rcbrtf(float x) { return 1.0F / cbrtf(x); }
inline float sinpif(float x) { return static_cast<float>(sin(M_PI * static_cast<double>(x))); }
inline float cospif(float x) { return static_cast<float>(cos(M_PI * static_cast<double>(x))); }
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = sinpif(x);
  *cosine = cospif(x);
}
inline float normcdff(float x) { return 0.5F * erfcf(-x * 0.70710678118654752F); }
inline void __sincosf(float x, float* sine, float* cosine) {
  *sine = sinf(x);
  *cosine = cosf(x);
}
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __ddiv_rn(double x, double y) { return x / y; }

namespace nagare::emulator {

// As a GPU converts: NaN to 0, what is out of range to the nearest end of it.
template <class To, class From>
To saturating(From x) {
  using Limits = std::numeric_limits<To>;
  if (!(x == x)) return 0;
  if (x < static_cast<From>(Limits::min())) return Limits::min();
  // The maximum itself may round up to a value that does not fit.
  return x >= static_cast<From>(Limits::max()) ? Limits::max() : static_cast<To>(x);
}

}  // namespace nagare::emulator

#define NAGARE_EMULATED_CONVERSION(To, from, to, From)                                                   \
  inline To __##from##2##to##_rn(From x) { return nagare::emulator::saturating<To>(std::nearbyint(x)); } \
  inline To __##from##2##to##_rz(From x) { return nagare::emulator::saturating<To>(std::trunc(x)); }     \
  inline To __##from##2##to##_rd(From x) { return nagare::emulator::saturating<To>(std::floor(x)); }     \
  inline To __##from##2##to##_ru(From x) { return nagare::emulator::saturating<To>(std::ceil(x)); }
NAGARE_EMULATED_CONVERSION(int, float, int, float)
NAGARE_EMULATED_CONVERSION(unsigned, float, uint, float)
NAGARE_EMULATED_CONVERSION(long long, float, ll, float)
NAGARE_EMULATED_CONVERSION(int, double, int, double)
NAGARE_EMULATED_CONVERSION(unsigned, double, uint, double)
NAGARE_EMULATED_CONVERSION(long long, double, ll, double)
#undef NAGARE_EMULATED_CONVERSION
inline float __double2float_rn(double x) { return static_cast<float>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
inline float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }

[[noreturn]] inline void __trap() { nagare::emulator::fault("__trap()"); }
