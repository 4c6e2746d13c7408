#pragma once
// What losses on the second moments of two views share on CUDA: columns' moments, and x x^T of centred rows.
#include "kernels/bf16.h"
#include "kernels/gemm_tile.cuh"
#include "kernels/gram.h"
#include "kernels/row_team.cuh"

namespace nagare::kernels::cuda {

// Two matrices (rows, cols) of the same kind.
template <class T>
struct Views {
  const T* first;
  const T* second;
  __device__ const T* of(std::int64_t view) const { return view == 0 ? first : second; }
};

// (x - mean) inverse of one view; inverse = nullptr: centred only. As an operand whose index is a sample and whose inner
// axis are the columns ...
template <class T>
struct SampleOperand {
  static constexpr bool kAlongInner = true;
  const T* x;
  const float* mean;
  const float* inverse;
  std::int64_t cols;
  __device__ float operator()(std::int64_t sample, std::int64_t column) const {
    const float centred = load(x + sample * cols + column) - mean[column];
    return inverse == nullptr ? centred : centred * inverse[column];
  }
};
// ... and as one whose index is a column and whose inner axis are the samples.
template <class T>
struct ColumnOperand {
  static constexpr bool kAlongInner = false;
  SampleOperand<T> by_sample;
  __device__ float operator()(std::int64_t column, std::int64_t sample) const {
    return by_sample(sample, column);
  }
};
// Rows of a matrix of floats, and its columns.
struct MatrixRows {
  static constexpr bool kAlongInner = true;
  const float* values;
  std::int64_t stride;
  __device__ float operator()(std::int64_t row, std::int64_t k) const { return values[row * stride + k]; }
};
struct MatrixColumns {
  static constexpr bool kAlongInner = false;
  const float* values;
  std::int64_t stride;
  __device__ float operator()(std::int64_t column, std::int64_t k) const {
    return values[k * stride + column];
  }
};

// mean[view, c] and squares[view, c] = sum (x - mean)^2. A block owns 32 columns, its warps take the rows in turn; the
// second reading of them comes from cache. Grid: (ceil(cols / 32), 2).
template <class T>
__global__ void column_moments(std::int64_t rows, std::int64_t cols, Views<T> views, float* mean,
                               float* squares) {
  constexpr int kWarps = kBlock / kWarp;
  NAGARE_SHARED(float, part, [kWarps][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  const bool inside = c < cols;
  const T* x = views.of(blockIdx.y) + (inside ? c : 0);
  const auto all_warps = [&](float mine) {
    __syncthreads();
    part[warp][lane] = mine;
    __syncthreads();
    float sum = 0.0F;
    for (int w = 0; w < kWarps; ++w) sum += part[w][lane];
    return sum;
  };
  const float first = load(x);  // deviations from it: a large mean does no harm
  float sum = 0.0F;
  for (std::int64_t r = warp; r < rows; r += kWarps) sum += load(x + r * cols) - first;
  const float centre = first + all_warps(sum) / static_cast<float>(rows);
  float own = 0.0F;
  for (std::int64_t r = warp; r < rows; r += kWarps) {
    const float d = load(x + r * cols) - centre;
    own += d * d;
  }
  own = all_warps(own);
  if (!inside || warp != 0) return;
  mean[blockIdx.y * cols + c] = centre;
  squares[blockIdx.y * cols + c] = own;
}

template <class T>
void launch_column_moments(const char* name, std::int64_t rows, std::int64_t cols, const Views<T>& views,
                           float* mean, float* squares, Stream stream) {
  launch(name, column_moments<T>, dim3(static_cast<unsigned>((cols + kWarp - 1) / kWarp), 2), kBlock, 0,
         stream, rows, cols, views, mean, squares);
}

// Row and column of the tile of that number among those on and under the diagonal.
struct LowerTile {
  std::int64_t row, col;
};
__device__ inline LowerTile lower_tile(std::int64_t number) {
  std::int64_t row = 0;
  while (number > row) number -= ++row;
  return {row, number};
}

// partial[view, split] (rows, rows): tiles on and under the diagonal of x x^T over that split of the columns.
// Grid: (tiles, splits, 2).
template <class T>
__global__ void gram_of_rows(std::int64_t rows, std::int64_t cols, Views<T> views, const float* mean,
                             const float* inverse, float* partial) {
  const LowerTile tile = lower_tile(blockIdx.x);
  const std::int64_t view = blockIdx.z;
  const SampleOperand<T> x{views.of(view), mean + view * cols,
                           inverse == nullptr ? nullptr : inverse + view * cols, cols};
  const std::int64_t begin = cols * blockIdx.y / gridDim.y;
  const std::int64_t end = cols * (blockIdx.y + 1) / gridDim.y;
  const TileOperand<SampleOperand<T>> a{x, tile.row * kGemmSide, rows};
  const TileOperand<SampleOperand<T>> b{x, tile.col * kGemmSide, rows};
  float acc[4][4];
  gemm_tile(a, b, begin, end, acc);
  float* out = partial + (view * gridDim.y + blockIdx.y) * rows * rows;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const std::int64_t r = a.first + gemm_row(i);
      const std::int64_t c = b.first + gemm_col(j);
      if (r < rows && c < rows) out[r * rows + c] = acc[i][j];
    }
  }
}

// Element (r, c) of view's x x^T: its splits added, from the tile on or under the diagonal.
__device__ inline float gram_element(std::int64_t rows, std::int64_t splits, const float* partial,
                                     std::int64_t view, std::int64_t r, std::int64_t c) {
  const bool upper = r / kGemmSide < c / kGemmSide;
  const std::int64_t at = upper ? c * rows + r : r * rows + c;
  float sum = 0.0F;
  for (std::int64_t s = 0; s < splits; ++s) sum += partial[(view * splits + s) * rows * rows + at];
  return sum;
}

}  // namespace nagare::kernels::cuda
