#pragma once
// What nvcc knows without an include: keywords, barriers, and by the headers below warp operations, atomics, intrinsics.
//
// Names and meaning: CUDA C++ Programming Guide 13.0, "C++ Language Extensions", and CUDA Math API 13.0.
#include <algorithm>
#include <atomic>
#include <source_location>

#include "kernels/emulator/scheduler.h"

#define __global__
#define __grid_constant__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__  // empty: libstdc++ writes __attribute__((__noinline__))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

using std::max;
using std::min;

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
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { __threadfence(); }
inline void __threadfence_system() { __threadfence(); }

#include "kernels/emulator/atomics.h"
#include "kernels/emulator/intrinsics.h"
#include "kernels/emulator/warp_operations.h"
