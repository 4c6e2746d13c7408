#pragma once
// Warp-wide building blocks of the CUDA twins. All lanes of a warp call them together.
#include "kernels/launch.h"

namespace nagare::kernels::cuda {

inline constexpr unsigned kAllLanes = 0xffffffffU;

__device__ inline float shuffle_xor(float value, int lane_mask) {
  return __shfl_xor_sync(kAllLanes, value, lane_mask);
}

// The sum over the warp, in every lane; the tree is fixed, so the bits are too.
__device__ inline float warp_sum(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += shuffle_xor(value, step);
  return value;
}

__device__ inline float warp_max(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value = fmaxf(value, shuffle_xor(value, step));
  return value;
}

// body(row, lane) for the rows of this warp; 1-D blocks of a multiple of 32 threads.
template <class Body>
__device__ void for_each_row_of_this_warp(std::int64_t rows, const Body& body) {
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / kWarp);
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp;
  for (std::int64_t row = first; row < rows; row += warps) body(row, static_cast<int>(threadIdx.x % kWarp));
}

// One warp per row; rows = 0 launches nothing.
template <class... Params, class... Args>
void launch_warp_per_row(const char* name, void (*kernel)(Params...), std::int64_t rows, Stream stream,
                         Args... args) {
  if (rows == 0) return;
  launch(name, kernel, grid_for(rows, kBlock / kWarp), kBlock, 0, stream, args...);
}

// body(i) for this thread's share of [0, n).
template <class Body>
__device__ void for_each_index_of_this_thread(std::int64_t n, const Body& body) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride)
    body(i);
}

}  // namespace nagare::kernels::cuda
