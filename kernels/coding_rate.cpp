#include "kernels/coding_rate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/cholesky_block.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "kernels/tile_product.h"

namespace nagare::kernels {

void CodingRate::check() const {
  if (batch < 0 || samples < 1 || dim < 1 || order() > 32768 || !(alpha > 0.0F && std::isfinite(alpha))) {
    throw std::invalid_argument(
        "coding_rate: z (" + std::to_string(batch) + ", " + std::to_string(samples) + ", " +
        std::to_string(dim) + "), alpha " + std::to_string(alpha) +
        ": need batch >= 0, samples and dim >= 1, the smaller of them <= 32768, alpha positive and finite");
  }
}

std::int64_t CodingRate::gram_parts() const {
  constexpr std::int64_t kTile = 64;
  constexpr std::int64_t kBlocks = 264;  // two for each multiprocessor of a large GPU
  constexpr std::int64_t kShortest =
      128;  // of the inner dimension: below it a block is too short to be worth it
  const std::int64_t tiles = (order() + kTile - 1) / kTile;
  const std::int64_t blocks = std::max<std::int64_t>(1, batch * tiles * (tiles + 1) / 2);
  return std::max<std::int64_t>(1, std::min(kBlocks / blocks, inner() / kShortest));
}

namespace cpu {
namespace {

constexpr std::int64_t kBlock = kCholeskyBlock;
constexpr std::int64_t kStrip = 512;  // rows and columns of a tile of dz

// Matrices side by side when that keeps all threads busy, else one after another, each with all threads. The bits are
// the same: inside, work is cut by size alone.
template <class Body>
void for_each_matrix(std::int64_t n, const Body& body) {
  const auto pool = static_cast<std::int64_t>(threads());
  if (n % pool == 0 || n >= 4 * pool) return parallel_for(n, body);
  for (std::int64_t i = 0; i < n; ++i) body(i);
}

std::int64_t blocks_of(std::int64_t n) { return (n + kBlock - 1) / kBlock; }

// The upper triangle of z z^T or z^T z, tile by tile, into the rows of g. Products of rows with rows are the form that
// oneDNN's sgemm packs most for; row_products packs nothing, so its tiles may be small.
void gram(const CodingRate& p, const float* z, float* g, std::int64_t stride) {
  const std::int64_t edge = p.by_sample() ? 40 : kBlock;
  const std::int64_t blocks = (p.order() + edge - 1) / edge;
  parallel_for(blocks * (blocks + 1) / 2, [&](std::int64_t tile) {
    std::int64_t row = 0;
    for (; tile >= blocks - row; ++row) tile -= blocks - row;  // tiles of this row, from the diagonal on
    const std::int64_t col = (row + tile) * edge;
    row *= edge;
    const std::int64_t rows = std::min(edge, p.order() - row);
    float* out = g + row * stride + col;
    const std::int64_t cols = std::min(edge, p.order() - col);
    if (p.by_sample()) {
      return row_products({.rows = rows, .cols = cols, .inner = p.dim, .stride = p.dim, .stride_c = stride},
                          z + row * p.dim, z + col * p.dim, out);
    }
    tile_product({.rows = rows,
                  .cols = cols,
                  .inner = p.samples,
                  .stride_a = p.dim,
                  .stride_b = p.dim,
                  .stride_c = stride,
                  .transpose_a = true},
                 z + row, z + col, out);
  });
}

// All of it, contiguous: bf16 products are several times as fast, and their tiles must be contiguous.
void gram(const CodingRate& p, const bf16* z, float* g) {
  parallel_for(blocks_of(p.order()), [&](std::int64_t block) {
    const std::int64_t row = block * kBlock;
    tile_product({.rows = std::min(kBlock, p.order() - row),
                  .cols = p.order(),
                  .inner = p.inner(),
                  .stride_a = p.dim,
                  .stride_b = p.dim,
                  .stride_c = p.order(),
                  .transpose_a = !p.by_sample(),
                  .transpose_b = p.by_sample()},
                 z + row * (p.by_sample() ? p.dim : 1), z, g + row * p.order());
  });
}

NAGARE_SIMD void scale(std::int64_t n, float times, const float* x, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = times * x[i];
}

// The upper triangle of I + alpha g, bordered by the identity to whole panels: its determinant stays the same.
void shift(const CodingRate& p, const float* g, std::int64_t stride_g, float* m) {
  const std::int64_t stride = p.stride();
  for (std::int64_t r = 0; r < stride; ++r) {
    float* row = m + r * stride;
    if (r < p.order()) scale(p.order() - r, p.alpha, g + r * stride_g + r, row + r);
    const std::int64_t filled = std::max(r, p.order());
    std::fill_n(row + filled, stride - filled, 0.0F);
    row[r] = r < p.order() ? row[r] + 1.0F : 1.0F;
  }
}

// T of a block that was eliminated: its strict lower triangle is stored, the diagonal is 1 / U's, zeros are above.
void unpack_t(std::int64_t size, const float* m, std::int64_t stride_m, float* t, std::int64_t stride_t) {
  for (std::int64_t r = 0; r < size; ++r) {
    std::copy_n(m + r * stride_m, r, t + r * stride_t);
    t[r * stride_t + r] = 1.0F / m[r * stride_m + r];
    std::fill_n(t + r * stride_t + r + 1, size - r - 1, 0.0F);
  }
}

// A diagonal block k of a matrix of several: the block itself is eliminated; the rest of its rows becomes T times
// itself; then it is subtracted from the rows below, right of their diagonal (U) and left of it (T).
struct BlockStep {
  float* m;
  std::int64_t size;   // of the matrix
  std::int64_t begin;  // of block k
  std::int64_t rows;   // of block k
  const float* t;      // (rows, rows), contiguous

  std::int64_t width(std::int64_t block) const { return std::min(kBlock, size - block * kBlock); }

  void multiply_row_tile(std::int64_t block) const {
    const std::int64_t cols = width(block);
    float* tile = m + begin * size + block * kBlock;
    alignas(64) float before[kBlock * kBlock];
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(tile + r * size, cols, before + r * cols);
    tile_product(
        {.rows = rows, .cols = cols, .inner = rows, .stride_a = rows, .stride_b = cols, .stride_c = size}, t,
        before, tile);
  }

  void update_tile(std::int64_t row_block, std::int64_t col_block) const {
    const bool beside = col_block * kBlock == begin;  // the columns of block k, where m has no T yet
    const float* source = beside ? t : m + begin * size + col_block * kBlock;
    tile_product({.rows = width(row_block),
                  .cols = width(col_block),
                  .inner = rows,
                  .stride_a = size,
                  .stride_b = beside ? rows : size,
                  .stride_c = size,
                  .transpose_a = true,
                  .scale = -1.0F,
                  .keep = beside ? 0.0F : 1.0F},
                 m + begin * size + row_block * kBlock, source,
                 m + row_block * kBlock * size + col_block * kBlock);
  }
};

// eliminate() for a matrix of any size: U and T in place. Returns as it does.
std::int64_t eliminate_blocks(std::int64_t size, float* m) {
  if (size <= kBlock) return eliminate(size, m, size);
  const std::int64_t blocks = blocks_of(size);
  alignas(64) float t[kBlock * kBlock];
  for (std::int64_t k = 0; k < blocks; ++k) {
    const std::int64_t begin = k * kBlock;
    const std::int64_t rows = std::min(kBlock, size - begin);
    if (const std::int64_t bad = eliminate(rows, m + begin * size + begin, size); bad != 0)
      return begin + bad;
    unpack_t(rows, m + begin * size + begin, size, t, rows);
    const BlockStep step{.m = m, .size = size, .begin = begin, .rows = rows, .t = t};
    parallel_for(blocks, [&](std::int64_t block) {
      if (block != k) step.multiply_row_tile(block);
    });
    parallel_for((blocks - k - 1) * blocks, [&](std::int64_t tile) {
      const std::int64_t row = k + 1 + tile / blocks;
      const std::int64_t col = tile % blocks;
      if (col <= k || col >= row) step.update_tile(row, col);
    });
  }
  return 0;
}

void summarise(const CodingRate& p, std::int64_t bad, const float* factor, float& rate, float& least,
               std::int32_t& status) {
  status = static_cast<std::int32_t>(bad);
  double log_det = 0.0;
  float smallest = bad == 0 ? factor[0] : std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t k = 0; k < p.order() && bad == 0; ++k) {
    const float diagonal = factor[k * p.stride() + k];
    log_det += std::log(static_cast<double>(diagonal));
    smallest = std::min(smallest, diagonal);
  }
  rate = bad == 0 ? static_cast<float>(log_det) : smallest;
  least = smallest;
}

// -(I + alpha Gram)^-1 = -T^T T, all of it.
void minus_inverse(std::int64_t size, const float* factor, float* t, float* w) {
  unpack_t(size, factor, size, t, size);
  if (size <= kBlock) return minus_square(size, t, w, size);
  const std::int64_t blocks = blocks_of(size);
  parallel_for(blocks * blocks, [&](std::int64_t tile) {
    const std::int64_t row = tile / blocks * kBlock;
    const std::int64_t col = tile % blocks * kBlock;
    const std::int64_t first = std::max(row, col);  // T is 0 above its diagonal
    tile_product({.rows = std::min(kBlock, size - row),
                  .cols = std::min(kBlock, size - col),
                  .inner = size - first,
                  .stride_a = size,
                  .stride_b = size,
                  .stride_c = size,
                  .transpose_a = true,
                  .scale = -1.0F},
                 t + first * size + row, t + first * size + col, w + row * size + col);
  });
}

// dz = times w z or times z w, tile by tile.
void gradient(const CodingRate& p, const float* z, const float* w, float times, float* dz) {
  const std::int64_t columns = (p.dim + kStrip - 1) / kStrip;
  const std::int64_t rows = (p.samples + kStrip - 1) / kStrip;
  parallel_for(rows * columns, [&](std::int64_t tile) {
    const std::int64_t row = tile / columns * kStrip;
    const std::int64_t col = tile % columns * kStrip;
    const bool left = p.by_sample();  // w is the left factor
    tile_product({.rows = std::min(kStrip, p.samples - row),
                  .cols = std::min(kStrip, p.dim - col),
                  .inner = p.order(),
                  .stride_a = left ? p.stride() : p.dim,
                  .stride_b = left ? p.dim : p.stride(),
                  .stride_c = p.dim,
                  .scale = times},
                 left ? w + row * p.stride() : z + row * p.dim, left ? z + col : w + col,
                 dz + row * p.dim + col);
  });
}

NAGARE_SIMD void widen(std::int64_t n, const bf16* x, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = load(x + i);
}

const float* in_f32(const CodingRate&, const float* z, float*) { return z; }
const float* in_f32(const CodingRate& p, const bf16* z, float* wide) {
  for_each_block(p.samples * p.dim, 1 << 16,
                 [=](std::int64_t begin, std::int64_t end) { widen(end - begin, z + begin, wide + begin); });
  return wide;
}

}  // namespace

template <class T>
void coding_rate(const CodingRate& p, const T* z, float* factor, const CodingRateResult& result,
                 float* scratch, Stream) {
  p.check();
  const std::int64_t size = p.stride() * p.stride();
  for_each_matrix(p.batch, [&](std::int64_t i) {
    const T* in = z + i * p.samples * p.dim;
    float* m = factor + i * size;
    if constexpr (std::is_same_v<T, float>) {
      gram(p, in, m, p.stride());
      shift(p, m, p.stride(), m);
    } else {
      float* g = scratch + i * size;
      gram(p, in, g);
      shift(p, g, p.order(), m);
    }
    const std::int64_t bad = eliminate_blocks(p.stride(), m);
    summarise(p, bad, m, result.rate[i], result.least[i], result.status[i]);
  });
}

template <class T>
void coding_rate_backward(const CodingRate& p, const T* z, const float* factor, const std::int32_t* status,
                          const float* drate, float* dz, float* scratch, Stream) {
  p.check();
  const std::int64_t size = p.stride() * p.stride();
  const std::int64_t elements = p.samples * p.dim;
  for_each_matrix(p.batch, [&](std::int64_t i) {
    float* out = dz + i * elements;
    if (status[i] != 0) {
      std::fill_n(out, elements, std::numeric_limits<float>::quiet_NaN());
      return;
    }
    float* t = scratch + 2 * i * size;
    float* w = t + size;
    minus_inverse(p.stride(), factor + i * size, t, w);
    const float* wide = in_f32(p, z + i * elements, scratch + 2 * p.batch * size + i * elements);
    gradient(p, wide, w, -p.alpha * drate[i], out);
  });
}

#define NAGARE_INSTANTIATE(T)                                                                              \
  template void coding_rate(const CodingRate&, const T*, float*, const CodingRateResult&, float*, Stream); \
  template void coding_rate_backward(const CodingRate&, const T*, const float*, const std::int32_t*,       \
                                     const float*, float*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
