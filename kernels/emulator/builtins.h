#pragma once
// What nvcc knows without an include: keywords, barriers, warp operations, atomics, intrinsics.
//
// Intrinsics that a GPU rounds its own way (__expf, rsqrtf, __fdividef ...) are computed as exactly as the
// host can, so kernels are compared within tolerances. Names and meaning: CUDA C++ Programming Guide 13.0,
// "C++ Language Extensions".
#include <math.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "kernels/emulator/scheduler.h"

#define __global__
#define __grid_constant__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

using std::max;
using std::min;

namespace nagare::emulator {

using Where = std::source_location;

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline bool has(std::uint32_t lanes, int lane) { return (lanes >> lane & 1U) != 0; }

inline void resolve_shuffle(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]) {
  for (int lane = 0; lane < 32; ++lane) {
    if (has(lanes, lane)) out[lane] = in[in[lane].source].value;
  }
}

// The upper half of the result tells who voted, for __all_sync.
inline void resolve_ballot(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]) {
  std::uint64_t votes = std::uint64_t{lanes} << 32;
  for (int lane = 0; lane < 32; ++lane) {
    if (has(lanes, lane) && in[lane].value != 0) votes |= std::uint64_t{1} << lane;
  }
  for (std::uint64_t& result : out) result = votes;
}

inline void resolve_match(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int other = 0; other < 32; ++other) {
      if (has(lanes, other) && in[other].value == in[lane].value) out[lane] |= std::uint64_t{1} << other;
    }
  }
}

template <class T, class Combine>
void resolve_reduce(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]) {
  const int first = std::countr_zero(lanes);
  T total = from_bits<T>(in[first].value);
  for (int lane = first + 1; lane < 32; ++lane) {
    if (has(lanes, lane)) total = Combine{}(total, from_bits<T>(in[lane].value));
  }
  for (std::uint64_t& result : out) result = to_bits(total);
}

inline int lane_of_thread() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

// A lane outside its group of `width` lanes: the lane reads its own value.
template <class T>
T shuffle(const char* operation, unsigned mask, T value, int source, const Where& where) {
  return from_bits<T>(warp_operation(operation, mask, {to_bits(value), source}, &resolve_shuffle, where));
}

inline std::uint64_t vote(const char* operation, unsigned mask, bool predicate, const Where& where) {
  return warp_operation(operation, mask, {predicate ? 1U : 0U, -1}, &resolve_ballot, where);
}

template <class T, class Combine>
T reduce(const char* operation, unsigned mask, T value, const Where& where) {
  return from_bits<T>(
      warp_operation(operation, mask, {to_bits(value), -1}, &resolve_reduce<T, Combine>, where));
}

struct Plus {
  unsigned operator()(unsigned a, unsigned b) const { return a + b; }
};
struct Least {
  template <class T>
  T operator()(T a, T b) const {
    return std::min(a, b);
  }
};
struct Greatest {
  template <class T>
  T operator()(T a, T b) const {
    return std::max(a, b);
  }
};
struct BitAnd {
  unsigned operator()(unsigned a, unsigned b) const { return a & b; }
};
struct BitOr {
  unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};
struct BitXor {
  unsigned operator()(unsigned a, unsigned b) const { return a ^ b; }
};

// Replaces *address by change(*address) atomically; returns what it held. Relaxed, as CUDA's atomics are.
template <class T, class Change>
T update(T* address, const Change& change) {
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace nagare::emulator

// ---- Barriers ----
inline void __syncthreads(const std::source_location& where = std::source_location::current()) {
  nagare::emulator::block_barrier("__syncthreads", false, where);
}
inline int __syncthreads_count(int predicate,
                               const std::source_location& where = std::source_location::current()) {
  return nagare::emulator::block_barrier("__syncthreads_count", predicate != 0, where);
}
inline int __syncthreads_or(int predicate,
                            const std::source_location& where = std::source_location::current()) {
  return nagare::emulator::block_barrier("__syncthreads_or", predicate != 0, where) > 0 ? 1 : 0;
}
inline int __syncthreads_and(int predicate,
                             const std::source_location& where = std::source_location::current()) {
  return nagare::emulator::block_barrier("__syncthreads_and", predicate == 0, where) == 0 ? 1 : 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffU,
                       const std::source_location& where = std::source_location::current()) {
  nagare::emulator::vote("__syncwarp", mask, false, where);
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { __threadfence(); }

// ---- Warp operations ----
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              const std::source_location& where = std::source_location::current()) {
  const int group = nagare::emulator::lane_of_thread() / width * width;
  return nagare::emulator::shuffle("__shfl_sync", mask, value, group + (source & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane ^ lane_mask;
  return nagare::emulator::shuffle("__shfl_xor_sync", mask, value,
                                   source < lane / width * width + width ? source : lane, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane - static_cast<int>(delta);
  return nagare::emulator::shuffle("__shfl_up_sync", mask, value,
                                   source >= lane / width * width ? source : lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane + static_cast<int>(delta);
  return nagare::emulator::shuffle("__shfl_down_sync", mask, value,
                                   source < lane / width * width + width ? source : lane, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const std::source_location& where = std::source_location::current()) {
  return static_cast<unsigned>(nagare::emulator::vote("__ballot_sync", mask, predicate != 0, where));
}
inline int __any_sync(unsigned mask, int predicate,
                      const std::source_location& where = std::source_location::current()) {
  return static_cast<unsigned>(nagare::emulator::vote("__any_sync", mask, predicate != 0, where)) != 0 ? 1
                                                                                                       : 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      const std::source_location& where = std::source_location::current()) {
  const std::uint64_t votes = nagare::emulator::vote("__all_sync", mask, predicate != 0, where);
  return static_cast<std::uint32_t>(votes) == votes >> 32 ? 1 : 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value,
                          const std::source_location& where = std::source_location::current()) {
  return static_cast<unsigned>(nagare::emulator::warp_operation("__match_any_sync", mask,
                                                                {nagare::emulator::to_bits(value), -1},
                                                                &nagare::emulator::resolve_match, where));
}
#define NAGARE_EMULATED_REDUCE(name, T, Combine)                                              \
  inline T name(unsigned mask, T value,                                                       \
                const std::source_location& where = std::source_location::current()) {        \
    return nagare::emulator::reduce<T, nagare::emulator::Combine>(#name, mask, value, where); \
  }
NAGARE_EMULATED_REDUCE(__reduce_add_sync, unsigned, Plus)
NAGARE_EMULATED_REDUCE(__reduce_add_sync, int, Plus)
NAGARE_EMULATED_REDUCE(__reduce_min_sync, unsigned, Least)
NAGARE_EMULATED_REDUCE(__reduce_min_sync, int, Least)
NAGARE_EMULATED_REDUCE(__reduce_max_sync, unsigned, Greatest)
NAGARE_EMULATED_REDUCE(__reduce_max_sync, int, Greatest)
NAGARE_EMULATED_REDUCE(__reduce_and_sync, unsigned, BitAnd)
NAGARE_EMULATED_REDUCE(__reduce_or_sync, unsigned, BitOr)
NAGARE_EMULATED_REDUCE(__reduce_xor_sync, unsigned, BitXor)
#undef NAGARE_EMULATED_REDUCE

// ---- Atomics: int, unsigned, unsigned long long, float, double as CUDA has them ----
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicSub(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return static_cast<T>(old - value); });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return std::max(old, value); });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return std::min(old, value); });
}
template <class T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return static_cast<T>(old & value); });
}
template <class T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return static_cast<T>(old ^ value); });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return nagare::emulator::update(address, [=](T old) { return old == compare ? value : old; });
}
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return nagare::emulator::update(address, [=](unsigned old) { return old >= limit ? 0U : old + 1; });
}

// ---- Memory and bits ----
template <class T>
T __ldg(const T* address) {
  return *address;
}
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
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
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32);
}
inline int __mulhi(int a, int b) { return static_cast<int>((std::int64_t{a} * b) >> 32); }

// ---- Floating point ----
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0F, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0F / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __frsqrt_rn(float x) { return static_cast<float>(1.0 / sqrt(static_cast<double>(x))); }
inline float __saturatef(float x) {
  return x > 0.0F ? (x < 1.0F ? x : 1.0F) : 0.0F;
}  // NaN gives 0, as on a GPU
inline float rsqrtf(float x) { return __frsqrt_rn(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rcbrtf(float x) { return 1.0F / cbrtf(x); }
inline float sinpif(float x) { return static_cast<float>(sin(M_PI * static_cast<double>(x))); }
inline float cospif(float x) { return static_cast<float>(cos(M_PI * static_cast<double>(x))); }
inline float normcdff(float x) { return 0.5F * erfcf(-x * 0.70710678118654752F); }
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
inline unsigned __float2uint_rn(float x) { return static_cast<unsigned>(nearbyintf(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
