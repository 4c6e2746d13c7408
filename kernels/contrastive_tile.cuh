#pragma once
// The arithmetic of a tile of 64 x 64 dot products by a block of 128 threads, for contrastive.cu.
//
// Products: a thread computes 8 owners x 4 streamed rows from panels of 32 columns in shared memory, turned so that the
// rows are neighbours: 12 floats read for 32 multiply-adds. Weighted sums: 8 owners x 8 columns of a chunk of 128, 16 floats
// for 64 multiply-adds. Sixteen neighbouring threads share their owners.
#include "kernels/contrastive_rows.h"
#include "kernels/launch.h"

namespace nagare::kernels::cuda {

inline constexpr int kTileSide = 64;
inline constexpr int kTileThreads = 128;
inline constexpr int kOwnRows = 8;
inline constexpr int kOwnColumns = 4;
inline constexpr int kOwnDims = 8;
inline constexpr int kThreadsPerRow = 16;
inline constexpr int kDepth = 32;        // columns of a panel
inline constexpr int kPanelStride = 68;  // 64 and a shift of banks; a multiple of 4
inline constexpr int kPanelFloats = kDepth * kPanelStride;
inline constexpr int kChunk = 128;
inline constexpr int kChunkStride = 132;
static_assert(kTileSide == ContrastiveSplit::kCuda.tile);
static_assert(2 * kPanelFloats <= kTileSide * kChunkStride);

__device__ inline int own_row(int i) { return static_cast<int>(threadIdx.x) / kThreadsPerRow * kOwnRows + i; }
__device__ inline int own_column(int j) {
  return static_cast<int>(threadIdx.x) % kThreadsPerRow * kOwnColumns + j;
}
// Two runs of four, 64 apart: sixteen threads then read neighbouring words.
__device__ inline int own_dim(int c) { return (c / 4) * 64 + own_column(c % 4); }

// 64 rows of a matrix from `begin`; those at `rows` and beyond count as zeros.
template <class T>
struct TileRows {
  const T* x;
  std::int64_t rows;
  std::int64_t begin;
};

__device__ inline void load_identities(const Identities& all, std::int64_t rows, std::int64_t begin,
                                       std::int64_t* id) {
  const std::int64_t row = begin + threadIdx.x;
  if (threadIdx.x < kTileSide) id[threadIdx.x] = row < rows ? all.of(row) : 0;
}

__device__ inline float4 load_four(const float* x) { return *reinterpret_cast<const float4*>(x); }
__device__ inline float4 load_four(const bf16* x) {
  const uint2 bits = *reinterpret_cast<const uint2*>(x);
  return {__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000U), __uint_as_float(bits.y << 16),
          __uint_as_float(bits.y & 0xffff0000U)};
}

// Columns [column, column + 4) of a row, zeros past the ends.
template <class T>
__device__ float4 four_of(const TileRows<T>& from, std::int64_t dim, int row, std::int64_t column) {
  if (from.begin + row >= from.rows || column >= dim) return {0.0F, 0.0F, 0.0F, 0.0F};
  const T* x = from.x + (from.begin + row) * dim + column;
  if (dim % 4 == 0 && reinterpret_cast<std::uintptr_t>(from.x) % (4 * sizeof(T)) == 0) return load_four(x);
  return {load(x), column + 1 < dim ? load(x + 1) : 0.0F, column + 2 < dim ? load(x + 2) : 0.0F,
          column + 3 < dim ? load(x + 3) : 0.0F};
}

// panel[column][row]. Pairs of threads read 32 (bf16: 16) bytes of a row, and sixteen such pairs write to 32 banks.
template <class T>
__device__ void load_panel(const TileRows<T>& from, std::int64_t dim, std::int64_t first, float* panel) {
  const int row = static_cast<int>(threadIdx.x) / 2;
#pragma unroll
  for (int step = 0; step < kDepth / 8; ++step) {
    const int column = 8 * step + static_cast<int>(threadIdx.x) % 2 * 4;
    const float4 v = four_of(from, dim, row, first + column);
    float* to = panel + column * kPanelStride + row;
    to[0] = v.x;
    to[kPanelStride] = v.y;
    to[2 * kPanelStride] = v.z;
    to[3 * kPanelStride] = v.w;
  }
}

__device__ inline void unpack(const float* from, float* to) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}

// s[i][j] = owner own_row(i) . streamed own_column(j). panels: 2 * kPanelFloats, free when the call begins. A product's terms
// are added in the order of the columns whichever side a row is on, so the products of a matrix with itself are symmetric.
template <class T>
__device__ void products(std::int64_t dim, const TileRows<T>& owners, const TileRows<T>& streamed,
                         float* panels, float (&s)[kOwnRows][kOwnColumns]) {
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) s[i][j] = 0.0F;
  }
  for (std::int64_t first = 0; first < dim; first += kDepth) {
    load_panel(owners, dim, first, panels);
    load_panel(streamed, dim, first, panels + kPanelFloats);
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < kDepth; ++k) {
      float a[kOwnRows];
      float b[kOwnColumns];
      unpack(panels + k * kPanelStride + own_row(0), a);
      unpack(panels + k * kPanelStride + own_row(4), a + 4);
      unpack(panels + kPanelFloats + k * kPanelStride + own_column(0), b);
#pragma unroll
      for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
        for (int j = 0; j < kOwnColumns; ++j) s[i][j] = fmaf(a[i], b[j], s[i][j]);
      }
    }
    __syncthreads();
  }
}

// y[row][column]: columns [chunk, chunk + 128) of 64 rows.
template <class T>
__device__ void load_chunk(std::int64_t dim, const TileRows<T>& from, std::int64_t chunk, float* y) {
  for (int at = static_cast<int>(threadIdx.x); at < kTileSide * kChunk / 4; at += kTileThreads) {
    const int row = at / (kChunk / 4);
    const int column = at % (kChunk / 4) * 4;
    *reinterpret_cast<float4*>(y + row * kChunkStride + column) = four_of(from, dim, row, chunk + column);
  }
}

// sums[i][c] += sum over the streamed rows r of w[r][own_row(i)] y[r][own_dim(c)].
__device__ inline void add_weighted(const float* w, const float* y, float (&sums)[kOwnRows][kOwnDims]) {
#pragma unroll 4
  for (int r = 0; r < kTileSide; ++r) {
    float a[kOwnRows];
    float b[kOwnDims];
    unpack(w + r * kPanelStride + own_row(0), a);
    unpack(w + r * kPanelStride + own_row(4), a + 4);
    unpack(y + r * kChunkStride + own_dim(0), b);
    unpack(y + r * kChunkStride + own_dim(4), b + 4);
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
      for (int c = 0; c < kOwnDims; ++c) sums[i][c] = fmaf(a[i], b[c], sums[i][c]);
    }
  }
}

// out[owner][chunk + column] = or += sums.
template <class T>
__device__ void write_sums(std::int64_t dim, const TileRows<T>& owners, std::int64_t chunk, bool add,
                           const float (&sums)[kOwnRows][kOwnDims], float* out) {
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    const std::int64_t row = owners.begin + own_row(i);
#pragma unroll
    for (int c = 0; c < kOwnDims; ++c) {
      const std::int64_t column = chunk + own_dim(c);
      if (row >= owners.rows || column >= dim) continue;
      float& to = out[row * dim + column];
      to = add ? to + sums[i][c] : sums[i][c];
    }
  }
}

}  // namespace nagare::kernels::cuda
