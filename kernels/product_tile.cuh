#pragma once
// A tile of A B^T on a CUDA block, in f32 arithmetic: for kernels that consume a product tile by tile and never store it.
//
//   acc(i, j) = sum over d = 0, 1, ... of a[row(i)][d] b[col(j)][d]       fma by fma, in this order
//
// a, b   T (rows, dim) row-major, T float or bf16. The order is the same for every element and symmetric in a and b, so a
//        pair of rows has the same bits wherever it stands and whichever is the first
// block  256 threads; a thread owns 8 x 8 elements of the 128 x 128 tile: row(i) and col(j) below
// cost   a step of 16 columns: 64 KiB of products per KiB of shared memory written; 16-byte shared loads without bank
//        conflicts, 4 of them for 64 fma
#include "kernels/bf16.h"
#include "kernels/launch.h"

namespace nagare::kernels::cuda {

constexpr int kTile = 128;
constexpr int kTileDepth = 16;
constexpr int kTileThreads = 256;

// Rows [first, first + kTile) of a matrix, or of a list of its rows; those from `rows` on as zeros.
template <class T>
struct TileRows {
  const T* values;
  std::int64_t first;
  std::int64_t rows;
  const int* list = nullptr;
};

__device__ inline int tile_row(int i) { return static_cast<int>(threadIdx.x) / 16 * 4 + i % 4 + i / 4 * 64; }
__device__ inline int tile_col(int j) { return static_cast<int>(threadIdx.x) % 16 * 4 + j % 4 + j / 4 * 64; }

// Columns [begin, begin + kTileDepth) into shared memory, transposed: a thread takes 8 of one row, neighbours take
// neighbouring rows, so that their stores go to different banks.
template <class T>
__device__ void load_tile(const TileRows<T>& m, std::int64_t dim, std::int64_t begin,
                          float (*shared)[kTile]) {
  const int row = static_cast<int>(threadIdx.x) % kTile;
  const int half = static_cast<int>(threadIdx.x) / kTile * 8;
  const std::int64_t at = m.first + row;
  const std::int64_t source = m.list != nullptr && at < m.rows ? m.list[at] : at;
  const T* in = m.values + source * dim + begin + half;
#pragma unroll
  for (int d = 0; d < 8; ++d) {
    shared[half + d][row] = at < m.rows && begin + half + d < dim ? load(in + d) : 0.0F;
  }
}

// All threads of the block; they may read acc at once, and call again after it.
template <class T>
__device__ void product_tile(const TileRows<T>& a, const TileRows<T>& b, std::int64_t dim,
                             float (&acc)[8][8]) {
  NAGARE_SHARED(float, shared_a, [kTileDepth][kTile]);
  NAGARE_SHARED(float, shared_b, [kTileDepth][kTile]);
  const int ty = static_cast<int>(threadIdx.x) / 16 * 4;
  const int tx = static_cast<int>(threadIdx.x) % 16 * 4;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
#pragma unroll
    for (int j = 0; j < 8; ++j) acc[i][j] = 0.0F;
  }
  for (std::int64_t begin = 0; begin < dim; begin += kTileDepth) {
    __syncthreads();
    load_tile(a, dim, begin, shared_a);
    load_tile(b, dim, begin, shared_b);
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kTileDepth; ++d) {
      const float4 a0 = *reinterpret_cast<const float4*>(&shared_a[d][ty]);
      const float4 a1 = *reinterpret_cast<const float4*>(&shared_a[d][ty + 64]);
      const float4 b0 = *reinterpret_cast<const float4*>(&shared_b[d][tx]);
      const float4 b1 = *reinterpret_cast<const float4*>(&shared_b[d][tx + 64]);
      const float x[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
      const float y[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) acc[i][j] = fmaf(x[i], y[j], acc[i][j]);
      }
    }
  }
}

}  // namespace nagare::kernels::cuda
