#pragma once
// CUDA's atomics on int, unsigned, unsigned long long, float and double. Relaxed, as CUDA's are.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>

#include "kernels/emulator/scheduler.h"

namespace nagare::emulator {

template <class T, class... Types>
inline constexpr bool kIsOneOf = (std::is_same_v<T, Types> || ...);
using Ull =
    unsigned long long;  // CUDA has no atomic of an unsigned long, which is another type to a compiler

template <class T>
T* aligned(const char* operation, T* address, std::size_t alignment = sizeof(T)) {
  if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0) {
    fault(std::string(operation) + " at an address that is not a multiple of " + std::to_string(alignment));
  }
  return address;
}

// Replaces *address by change(*address) atomically; returns what it held.
template <class T, class Change>
T update(const char* operation, T* address, const Change& change) {
  std::atomic_ref<T> cell(*aligned(operation, address));
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace nagare::emulator

// The types are those that CUDA has.
#define NAGARE_EMULATED_ATOMIC(name, result, ...)                                                         \
  template <class T>                                                                                      \
  requires nagare::emulator::kIsOneOf<T, __VA_ARGS__> T name(T* address, std::type_identity_t<T> value) { \
    return nagare::emulator::update(#name, address,                                                       \
                                    [=]([[maybe_unused]] T old) { return static_cast<T>(result); });      \
  }
NAGARE_EMULATED_ATOMIC(atomicAdd, old + value, int, unsigned, nagare::emulator::Ull, float, double)
NAGARE_EMULATED_ATOMIC(atomicSub, old - value, int, unsigned)
NAGARE_EMULATED_ATOMIC(atomicMin, std::min(old, value), int, unsigned, long long, nagare::emulator::Ull)
NAGARE_EMULATED_ATOMIC(atomicMax, std::max(old, value), int, unsigned, long long, nagare::emulator::Ull)
NAGARE_EMULATED_ATOMIC(atomicAnd, old& value, int, unsigned, nagare::emulator::Ull)
NAGARE_EMULATED_ATOMIC(atomicOr, old | value, int, unsigned, nagare::emulator::Ull)
NAGARE_EMULATED_ATOMIC(atomicXor, old ^ value, int, unsigned, nagare::emulator::Ull)
NAGARE_EMULATED_ATOMIC(atomicExch, value, int, unsigned, nagare::emulator::Ull, float)
NAGARE_EMULATED_ATOMIC(atomicInc, old >= value ? 0U : old + 1, unsigned)
NAGARE_EMULATED_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1, unsigned)
#undef NAGARE_EMULATED_ATOMIC

template <class T>
requires nagare::emulator::kIsOneOf<T, int, unsigned, nagare::emulator::Ull, unsigned short> T
atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return nagare::emulator::update("atomicCAS", address, [=](T old) { return old == compare ? value : old; });
}
