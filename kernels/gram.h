#pragma once
// What losses on the second moments of a batch share on the CPU: centred columns, and x x^T or x^T x of which one half is
// computed. Matrices are f32, row-major, with padded rows.
#include <cstdint>

#include "kernels/bf16.h"

namespace nagare::kernels {

// Side of a tile of a Gram matrix, on either device.
inline constexpr std::int64_t kGramTile = 64;

// Tiles on and under the diagonal of a symmetric matrix.
constexpr std::int64_t lower_tiles(std::int64_t order) {
  const std::int64_t side = (order + kGramTile - 1) / kGramTile;
  return side * (side + 1) / 2;
}

// Into how many parts the CUDA twins cut the inner axis of two Gram matrices, so that a GPU's 132 processors have two
// blocks each, while no part is shorter than 128.
constexpr std::int64_t gram_splits(std::int64_t order, std::int64_t inner) {
  const std::int64_t wanted = 264 / (2 * lower_tiles(order));
  const std::int64_t most = inner / 128;
  const std::int64_t splits = wanted < most ? wanted : most;
  return splits < 1 ? 1 : splits;
}

namespace cpu {

// Columns whose moments one thread takes at a time.
inline constexpr std::int64_t kMomentColumns = 64;

// Elements from a row of a scratch matrix to the next: whole vectors, and never a power of two, whose rows would all
// compete for the same places of a cache.
constexpr std::int64_t padded(std::int64_t cols) { return (cols + 15) / 16 * 16 + 16; }

// Some columns of a matrix: its rows, how many columns from the pointer on, elements from a row to the next.
struct ColumnBlock {
  std::int64_t rows;
  std::int64_t cols;  // 1 to kMomentColumns
  std::int64_t stride;
};

// out = x - mean, with mean[c] and squares[c] = sum of squares of out, for one block. T is float or bf16.
template <class T>
void centre_columns(const ColumnBlock& block, const T* x, std::int64_t out_stride, float* out, float* mean,
                    float* squares);

// x[r, c] *= factor[c]
void scale_columns(const ColumnBlock& block, const float* factor, float* x);

// k (order, order) = scale x x^T, x (order, inner); or scale x^T x, x (inner, order).
struct Gram {
  std::int64_t order;
  std::int64_t inner;
  std::int64_t stride;     // of x
  std::int64_t k_stride;   // of k
  bool transpose = false;  // x^T x
  float scale = 1.0F;
};

// Tile number `tile` (of lower_tiles(order)) of k, and its mirror image. Tiles are independent of one another.
void gram_tile(const Gram& g, std::int64_t tile, const float* x, float* k);

// sum a[i] b[i]
float dot(std::int64_t n, const float* a, const float* b);

}  // namespace cpu
}  // namespace nagare::kernels
