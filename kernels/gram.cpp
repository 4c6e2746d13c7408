#include "kernels/gram.h"

#include <algorithm>

#include "kernels/row_sums.h"
#include "kernels/tile_product.h"

namespace nagare::kernels::cpu {
namespace {

using simd::kLanes;
using simd::Vector;

constexpr std::int64_t kRun = 64;  // rows added before their sum joins the total: keeps f32 sums short

// Sixteen columns (or `count`). Deviations are taken from the first row, so a mean that is large against them does no
// harm; a second reading, from cache, makes the squares about the mean itself.
template <class T>
NAGARE_INLINE void centre_sixteen(const ColumnBlock& b, std::int64_t count, const T* x,
                                  std::int64_t out_stride, float* out, float* mean, float* squares) {
  Vector first;
  get_row(x, count, first);
  Vector total{};
  for (std::int64_t begin = 0; begin < b.rows; begin += kRun) {
    const std::int64_t end = begin + kRun < b.rows ? begin + kRun : b.rows;
    Vector sum{};
    for (std::int64_t r = begin; r < end; ++r) {
      Vector v;
      get_row(x + r * b.stride, count, v);
      sum += v - first;
    }
    total += sum;
  }
  const Vector centre = first + total / static_cast<float>(b.rows);
  put_row(mean, count, centre);
  total = Vector{};
  for (std::int64_t begin = 0; begin < b.rows; begin += kRun) {
    const std::int64_t end = begin + kRun < b.rows ? begin + kRun : b.rows;
    Vector sum{};
    for (std::int64_t r = begin; r < end; ++r) {
      Vector v;
      get_row(x + r * b.stride, count, v);
      v -= centre;
      sum += v * v;
      put_row(out + r * out_stride, count, v);
    }
    total += sum;
  }
  put_row(squares, count, total);
}

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_COLUMNS(T)                                                                         \
  NAGARE_SIMD void centre(const ColumnBlock& b, const T* x, std::int64_t out_stride, float* out,         \
                          float* mean, float* squares) {                                                 \
    for (std::int64_t c = 0; c < b.cols; c += kLanes) {                                                  \
      centre_sixteen(b, b.cols - c < kLanes ? b.cols - c : kLanes, x + c, out_stride, out + c, mean + c, \
                     squares + c);                                                                       \
    }                                                                                                    \
  }
NAGARE_DEFINE_COLUMNS(float)
NAGARE_DEFINE_COLUMNS(bf16)
#undef NAGARE_DEFINE_COLUMNS

NAGARE_SIMD void scale(const ColumnBlock& b, const float* factor, float* x) {
  for (std::int64_t c = 0; c < b.cols; c += kLanes) {
    const std::int64_t count = b.cols - c < kLanes ? b.cols - c : kLanes;
    Vector f;
    get_row(factor + c, count, f);
    for (std::int64_t r = 0; r < b.rows; ++r) {
      Vector v;
      get_row(x + r * b.stride + c, count, v);
      put_row(x + r * b.stride + c, count, v * f);
    }
  }
}

NAGARE_SIMD float products(std::int64_t n, const float* a, const float* b) { return row_dot(n, a, b); }

}  // namespace

template <class T>
void centre_columns(const ColumnBlock& block, const T* x, std::int64_t out_stride, float* out, float* mean,
                    float* squares) {
  centre(block, x, out_stride, out, mean, squares);
}
template void centre_columns(const ColumnBlock&, const float*, std::int64_t, float*, float*, float*);
template void centre_columns(const ColumnBlock&, const bf16*, std::int64_t, float*, float*, float*);

void scale_columns(const ColumnBlock& block, const float* factor, float* x) { scale(block, factor, x); }

void gram_tile(const Gram& g, std::int64_t tile, const float* x, float* k) {
  std::int64_t block_row = 0;  // tiles are counted row by row: 1 in the first, 2 in the second ...
  while (tile > block_row) tile -= ++block_row;
  const std::int64_t row = block_row * kGramTile;
  const std::int64_t col = tile * kGramTile;
  const std::int64_t rows = std::min(kGramTile, g.order - row);
  const std::int64_t cols = std::min(kGramTile, g.order - col);
  const std::int64_t step = g.transpose ? 1 : g.stride;  // from one vector of the product to the next
  tile_product({.rows = rows,
                .cols = cols,
                .inner = g.inner,
                .stride_a = g.stride,
                .stride_b = g.stride,
                .stride_c = g.k_stride,
                .transpose_a = g.transpose,
                .transpose_b = !g.transpose,
                .scale = g.scale},
               x + row * step, x + col * step, k + row * g.k_stride + col);
  if (row == col) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      k[(col + c) * g.k_stride + row + r] = k[(row + r) * g.k_stride + col + c];
    }
  }
}

float dot(std::int64_t n, const float* a, const float* b) { return products(n, a, b); }

}  // namespace nagare::kernels::cpu
