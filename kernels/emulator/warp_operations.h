#pragma once
// __shfl_*_sync, votes, matches and reductions of the lanes of a warp.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>
#include <type_traits>

#include "kernels/emulator/scheduler.h"

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

inline void resolve_match_all(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]) {
  const int first = std::countr_zero(lanes);
  bool equal = true;
  for (int lane = 0; lane < 32; ++lane)
    equal = equal && (!has(lanes, lane) || in[lane].value == in[first].value);
  for (std::uint64_t& result : out) result = equal ? lanes : 0;
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

// First lane of this thread's group of `width` lanes.
inline int group_of_thread(int width) {
  if (width < 1 || width > 32 || (width & (width - 1)) != 0) {
    fault("a shuffle of width " + std::to_string(width) + ": need a power of two up to 32");
  }
  return lane_of_thread() / width * width;
}

// A lane outside its group of `width` lanes: the lane reads its own value.
template <class T>
T shuffle(const char* operation, unsigned mask, T value, int source, const Where& where) {
  static_assert(std::is_arithmetic_v<T> || sizeof(T) <= 4, "CUDA shuffles numbers, one at a time");
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
  unsigned operator()(unsigned a, unsigned b) const { return a + b; }  // wraps around, of either sign
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

}  // namespace nagare::emulator

inline void __syncwarp(unsigned mask = 0xffffffffU,
                       const std::source_location& where = std::source_location::current()) {
  nagare::emulator::vote("__syncwarp", mask, false, where);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              const std::source_location& where = std::source_location::current()) {
  const int group = nagare::emulator::group_of_thread(width);
  return nagare::emulator::shuffle("__shfl_sync", mask, value, group + (source & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane ^ lane_mask;
  return nagare::emulator::shuffle("__shfl_xor_sync", mask, value,
                                   source < nagare::emulator::group_of_thread(width) + width ? source : lane,
                                   where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane - static_cast<int>(delta);
  return nagare::emulator::shuffle("__shfl_up_sync", mask, value,
                                   source >= nagare::emulator::group_of_thread(width) ? source : lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const std::source_location& where = std::source_location::current()) {
  const int lane = nagare::emulator::lane_of_thread();
  const int source = lane + static_cast<int>(delta);
  return nagare::emulator::shuffle("__shfl_down_sync", mask, value,
                                   source < nagare::emulator::group_of_thread(width) + width ? source : lane,
                                   where);
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
// All lanes of the mask, when their values are the same; else 0.
template <class T>
unsigned __match_all_sync(unsigned mask, T value, int* all_equal,
                          const std::source_location& where = std::source_location::current()) {
  const std::uint64_t equal =
      nagare::emulator::warp_operation("__match_all_sync", mask, {nagare::emulator::to_bits(value), -1},
                                       &nagare::emulator::resolve_match_all, where);
  *all_equal = equal != 0 ? 1 : 0;
  return static_cast<unsigned>(equal);
}
// The lanes that happen to run together: on hardware with a program counter per thread this one alone is sure.
inline unsigned __activemask() { return 1U << nagare::emulator::lane_of_thread(); }
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
