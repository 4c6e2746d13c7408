#pragma once
// A 64 x 64 tile of a product whose operands are made while they are loaded, in f32 arithmetic on a CUDA block.
//
//   acc(i, j) = sum over k = begin .. end - 1 of a(row(i), k) b(col(j), k)
//
// operands  functors: float operator()(std::int64_t index, std::int64_t k) for index in [first, limit); kAlongInner tells
//           whether neighbours in k, or else neighbours in index, are neighbours in memory: loads follow it
// block     256 threads; a thread owns 4 x 4 elements: tile_row(i), tile_col(j) below
// pipeline  the next step's elements are fetched into registers before this step's products are made
// cost      8 KiB of shared memory for 16 steps of k; two 16-byte shared loads per 16 fma, both without bank conflicts
#include <cstdint>

#include "kernels/launch.h"

namespace nagare::kernels::cuda {

inline constexpr int kGemmSide = 64;
inline constexpr int kGemmDepth = 16;

// An operand's part of the tile: indices from `first` on, below `limit`; the rest counts as zeros.
template <class Load>
struct TileOperand {
  Load load;
  std::int64_t first;
  std::int64_t limit;
};

__device__ inline int gemm_row(int i) { return static_cast<int>(threadIdx.x) / 16 * 4 + i; }
__device__ inline int gemm_col(int j) { return static_cast<int>(threadIdx.x) % 16 * 4 + j; }

using GemmShared = float[kGemmDepth][kGemmSide + 4];

// Where element n (0..3) of this thread lies in an operand's step.
template <class Load>
__device__ int operand_index(int n) {
  const int t = static_cast<int>(threadIdx.x);
  return Load::kAlongInner ? t / kGemmDepth + n * 16 : t % kGemmSide;
}
template <class Load>
__device__ int operand_depth(int n) {
  const int t = static_cast<int>(threadIdx.x);
  return Load::kAlongInner ? t % kGemmDepth : t / kGemmSide + n * 4;
}

template <class Load>
__device__ void fetch(const TileOperand<Load>& from, std::int64_t k, std::int64_t end, float (&step)[4]) {
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const std::int64_t index = from.first + operand_index<Load>(n);
    const std::int64_t depth = k + operand_depth<Load>(n);
    step[n] = index < from.limit && depth < end ? from.load(index, depth) : 0.0F;
  }
}

template <class Load>
__device__ void put(const float (&step)[4], GemmShared& shared) {
#pragma unroll
  for (int n = 0; n < 4; ++n) shared[operand_depth<Load>(n)][operand_index<Load>(n)] = step[n];
}

// All threads of the block; they may call it again at once.
template <class A, class B>
__device__ void gemm_tile(const TileOperand<A>& a, const TileOperand<B>& b, std::int64_t begin,
                          std::int64_t end, float (&acc)[4][4]) {
  NAGARE_SHARED(float, shared_a, [kGemmDepth][kGemmSide + 4]);
  NAGARE_SHARED(float, shared_b, [kGemmDepth][kGemmSide + 4]);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) acc[i][j] = 0.0F;
  }
  float next_a[4];
  float next_b[4];
  fetch(a, begin, end, next_a);
  fetch(b, begin, end, next_b);
  for (std::int64_t k = begin; k < end; k += kGemmDepth) {
    __syncthreads();  // nobody reads the step before this one any more
    put<A>(next_a, shared_a);
    put<B>(next_b, shared_b);
    __syncthreads();
    fetch(a, k + kGemmDepth, end, next_a);
    fetch(b, k + kGemmDepth, end, next_b);
#pragma unroll
    for (int d = 0; d < kGemmDepth; ++d) {
      const float4 left = *reinterpret_cast<const float4*>(&shared_a[d][gemm_row(0)]);
      const float4 right = *reinterpret_cast<const float4*>(&shared_b[d][gemm_col(0)]);
      const float x[4] = {left.x, left.y, left.z, left.w};
      const float y[4] = {right.x, right.y, right.z, right.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) acc[i][j] = fmaf(x[i], y[j], acc[i][j]);
      }
    }
  }
}

}  // namespace nagare::kernels::cuda
