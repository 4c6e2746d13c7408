#pragma once
// Softmax-like walks along rows of any length and alignment, for teams of threads (row_team.cuh): runs of 16 bytes where a
// row has them, and the running maximum and sum of exponentials. The lanes of a team call everything here together.
#include <cfloat>
#include <cstdint>

#include "kernels/row_team.cuh"

namespace nagare::kernels::cuda {

// From here on a block per row: one run of four f32 for each of its threads.
inline constexpr std::int64_t kLongRow = 1024;

// Launches one of the two instances of a row kernel; rows = 0 launches nothing.
template <class... Params, class... Args>
void launch_rows(const char* name, void (*warp_per_row)(Params...), void (*block_per_row)(Params...),
                 std::int64_t rows, std::int64_t cols, Stream stream, Args... args) {
  if (rows == 0) return;
  if (cols < kLongRow) {
    launch(name, warp_per_row, grid_of_teams(rows, kWarp), kBlock, 0, stream, args...);
  } else {
    launch(name, block_per_row, grid_of_teams(rows, kBlock), kBlock, 0, stream, args...);
  }
}

template <int kTeam>
__device__ float team_sum(float mine) {
  return team_sum<kTeam>(Sums<1>{{mine}}).values[0];
}

// N neighbouring entries of a row, as f32.
template <int N>
struct Run {
  float at[N];
};

template <int kBytes>
__device__ bool is_aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % kBytes == 0;
}

// In 16-byte loads where p allows it.
template <int N, class T>
__device__ Run<N> load_run(const T* p) {
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
  Run<N> run;
  if constexpr (N % kEach == 0) {
    if (is_aligned<16>(p)) {
#pragma unroll
      for (int i = 0; i < N; i += kEach) {
        const Pack<T, kEach> part = load_pack<kEach>(p + i);
#pragma unroll
        for (int j = 0; j < kEach; ++j) run.at[i + j] = load(part.values + j);
      }
      return run;
    }
  }
#pragma unroll
  for (int i = 0; i < N; ++i) run.at[i] = load(p + i);
  return run;
}

template <int N, class T>
__device__ void store_run(T* p, const Run<N>& run) {
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
  if constexpr (N % kEach == 0) {
    if (is_aligned<16>(p)) {
#pragma unroll
      for (int i = 0; i < N; i += kEach) {
        Pack<T, kEach> part;
#pragma unroll
        for (int j = 0; j < kEach; ++j) store(part.values + j, run.at[i + j]);
        store_pack(p + i, part);
      }
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < N; ++i) store(p + i, run.at[i]);
}

// body(c, run) for this lane's share of a row: runs of 16 bytes of T where the row has them, single entries (a Run<1>)
// before the first 16-byte boundary and after the last. Which lane gets which entry depends on the row's address mod 16.
template <int kTeam, class T, class Body>
__device__ void for_each_run(const T* row, std::int64_t cols, int lane, const Body& body) {
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
  const auto past = static_cast<int>(reinterpret_cast<std::uintptr_t>(row) % 16 / sizeof(T));
  const std::int64_t before = past == 0 ? 0 : kEach - past;
  const std::int64_t head = before < cols ? before : cols;
  const std::int64_t runs = (cols - head) / kEach;
  if (lane < head) body(static_cast<std::int64_t>(lane), load_run<1>(row + lane));
  for (std::int64_t i = lane; i < runs; i += kTeam) {
    const std::int64_t c = head + i * kEach;
    body(c, load_run<kEach>(row + c));
  }
  const std::int64_t c = head + runs * kEach + lane;
  if (c < cols) body(c, load_run<1>(row + c));
}

// Part of a row: its maximum, and the sum of exp((x - max) scale).
struct MaxSum {
  float max = -FLT_MAX;  // not -inf: a lane without columns would then compute -inf - -inf = NaN
  float sum = 0.0F;

  // One rescaling of the sum for N entries. NaN and +inf make the sum NaN.
  template <int N>
  __device__ void add(const Run<N>& x, float scale) {
    float larger = max;
#pragma unroll
    for (int i = 0; i < N; ++i) larger = fmaxf(larger, x.at[i]);
    sum *= expf((max - larger) * scale);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += expf((x.at[i] - larger) * scale);
    max = larger;
  }
};

// Of the whole team, in every lane.
template <int kTeam>
__device__ MaxSum team_merge(const MaxSum& mine, float scale) {
  const float max = team_max<kTeam>(mine.max);
  return {max, team_sum<kTeam>(mine.sum * expf((mine.max - max) * scale))};
}

// The whole row's (max, sum) in every lane, from one read of it. A row of -inf alone has the sum 0.
template <int kTeam, class T>
__device__ MaxSum row_max_and_sum(const T* row, std::int64_t cols, float scale, int lane) {
  MaxSum mine;
  for_each_run<kTeam>(row, cols, lane, [&](std::int64_t, const auto& x) { mine.add(x, scale); });
  return team_merge<kTeam>(mine, scale);
}

}  // namespace nagare::kernels::cuda
