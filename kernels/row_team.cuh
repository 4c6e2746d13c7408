#pragma once
// Rows of a matrix shared among threads: a warp or a whole block per row, 16-byte accesses where rows allow them.
//
//   with_row_team<T>(rows, cols, aligned_16(x, y), [&](auto team, auto pack) { launch(..., kernel<T, team, pack>) });
//
// A team's threads walk a row in packs of kPack elements: for_each_pack<kTeam, kPack>(cols, lane, body).
#include <cstdint>
#include <type_traits>

#include "kernels/bf16.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {

template <class T, int kPack>
struct alignas(sizeof(T) * kPack) Pack {
  T values[kPack];
};

template <int kPack, class T>
__device__ Pack<T, kPack> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, kPack>*>(p);
}
template <int kPack, class T>
__device__ void store_pack(T* p, const Pack<T, kPack>& v) {
  *reinterpret_cast<Pack<T, kPack>*>(p) = v;
}

template <int kCount>
struct Sums {
  float values[kCount] = {};
};

// Sums over the team, in every thread of it; the tree is fixed, so the bits are too.
template <int kTeam, int kCount>
__device__ Sums<kCount> team_sum(Sums<kCount> mine) {
  static_assert(kTeam == kWarp || kTeam == kBlock);
  for (int k = 0; k < kCount; ++k) mine.values[k] = warp_sum(mine.values[k]);
  if constexpr (kTeam == kBlock) {
    NAGARE_SHARED(Sums<kCount>, part, [kBlock / kWarp]);
    if (threadIdx.x % kWarp == 0) part[threadIdx.x / kWarp] = mine;
    __syncthreads();
    mine = part[0];
    for (int w = 1; w < kBlock / kWarp; ++w) {
      for (int k = 0; k < kCount; ++k) mine.values[k] += part[w].values[k];
    }
    __syncthreads();  // `part` may be written again
  }
  return mine;
}

template <int kTeam>
__device__ float team_max(float mine) {
  mine = warp_max(mine);
  if constexpr (kTeam == kBlock) {
    NAGARE_SHARED(float, part, [kBlock / kWarp]);
    if (threadIdx.x % kWarp == 0) part[threadIdx.x / kWarp] = mine;
    __syncthreads();
    mine = part[0];
    for (int w = 1; w < kBlock / kWarp; ++w) mine = fmaxf(mine, part[w]);
    __syncthreads();
  }
  return mine;
}

// body(row, lane) for the rows of this team; blocks of kBlock threads.
template <int kTeam, class Body>
__device__ void for_each_row_of_this_team(std::int64_t rows, const Body& body) {
  const int lane = static_cast<int>(threadIdx.x) % kTeam;
  const std::int64_t teams = static_cast<std::int64_t>(gridDim.x) * (kBlock / kTeam);
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x) / kTeam;
  for (std::int64_t row = first; row < rows; row += teams) body(row, lane);
}

// body(column) for this thread's packs of a row; kPack divides cols.
template <int kTeam, int kPack, class Body>
__device__ void for_each_pack(std::int64_t cols, int lane, const Body& body) {
  for (std::int64_t c = static_cast<std::int64_t>(lane) * kPack; c < cols; c += kTeam * kPack) body(c);
}

template <class... P>
bool aligned_16(const P*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

// f(team, pack): integral constants for the kernel's template arguments. Short rows, or very many, get a warp each.
template <class T, class F>
void with_row_team(std::int64_t rows, std::int64_t cols, bool aligned, const F& f) {
  constexpr int kPack = 16 / static_cast<int>(sizeof(T));
  constexpr std::integral_constant<int, kPack> pack;
  constexpr std::integral_constant<int, 1> single;
  constexpr std::integral_constant<int, kWarp> warp;
  constexpr std::integral_constant<int, kBlock> block;
  const bool packs = aligned && cols % kPack == 0;
  const bool by_warp = cols <= 512 || rows >= 32768;
  if (by_warp && packs) {
    f(warp, pack);
  } else if (by_warp) {
    f(warp, single);
  } else if (packs) {
    f(block, pack);
  } else {
    f(block, single);
  }
}

// *out = weight * (sum of n values), by one block.
template <class T>
__global__ void weighted_sum(std::int64_t n, const T* values, float weight, float* out) {
  Sums<1> sum;
  for (std::int64_t i = threadIdx.x; i < n; i += kBlock) sum.values[0] += load(values + i);
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x == 0) *out = weight * sum.values[0];
}

inline unsigned grid_of_teams(std::int64_t rows, int team) { return grid_for(rows, kBlock / team); }

}  // namespace nagare::kernels::cuda
