#pragma once
// How the twins of cross_correlation use their scratch memory.
#include <algorithm>

#include "kernels/cross_correlation.h"
#include "kernels/gram.h"
#include "kernels/scratch.h"

namespace nagare::kernels {

namespace cpu {

struct CorrelationScratch {
  static constexpr std::int64_t kTile =
      128;  // side of a tile of C; columns whose gradients are made at a time
  static constexpr std::int64_t kSlots = 16;  // column blocks in work at the same time, at most

  CorrelationScratch(const CrossCorrelation& p, ScratchParts parts)
      : stride(padded(p.cols)),
        blocks((p.cols + kTile - 1) / kTile),
        slots(std::min(blocks, kSlots)),
        order(p.by_rows() ? p.rows : p.cols),
        order_stride(padded(order)),
        a(parts.take<float>(p.rows * stride)),
        b(parts.take<float>(p.rows * stride)),
        inverse_a(parts.take<float>(p.cols)),
        inverse_b(parts.take<float>(p.cols)),
        diagonal(parts.take<float>(p.cols)),
        matrix(parts.take<float>(order * order_stride)),
        other_matrix(p.by_rows() ? parts.take<float>(order * order_stride) : nullptr),
        partial(parts.take<float>(std::max(p.rows, blocks * blocks))),
        tiles(parts.take<float>(slots * p.rows * kTile)),
        floats(parts.used() / static_cast<std::int64_t>(sizeof(float))) {}

  std::int64_t stride, blocks, slots, order, order_stride;
  float *a, *b;                  // standardised views
  float *inverse_a, *inverse_b;  // 1 / deviation
  float* diagonal;               // C_ii, then e_i
  float *matrix, *other_matrix;  // K_a and K_b, or G
  float* partial;                // sums
  float* tiles;                  // one per slot
  std::int64_t floats;
};

}  // namespace cpu

namespace cuda {

struct CorrelationScratch {
  CorrelationScratch(const CrossCorrelation& p, ScratchParts parts)
      : row_tiles((p.rows + kGramTile - 1) / kGramTile),
        column_tiles((p.cols + kGramTile - 1) / kGramTile),
        splits(p.by_rows() ? gram_splits(p.rows, p.cols) : 0),
        // By rows: of <K_a, K_b>, then of the columns' own terms; by columns: of the tiles of C.
        product_partials(p.by_rows() ? std::min<std::int64_t>((p.rows * p.rows + 255) / 256, 1024)
                                     : column_tiles * column_tiles),
        partials(product_partials + (p.by_rows() ? (p.cols + 31) / 32 : 0)),
        mean(parts.take<float>(2 * p.cols)),
        inverse(parts.take<float>(2 * p.cols)),
        diagonal(parts.take<float>(p.by_rows() ? p.cols : 0)),
        matrix(parts.take<float>(p.by_rows() ? 2 * p.rows * p.rows : p.cols * p.cols)),
        split_matrix(parts.take<float>(2 * splits * p.rows * p.rows)),
        gradient(parts.take<float>(2 * p.rows * p.cols)),
        along(parts.take<float>(2 * row_tiles * p.cols)),
        partial(parts.take<float>(partials)),
        floats(parts.used() / static_cast<std::int64_t>(sizeof(float))) {}

  std::int64_t row_tiles, column_tiles, splits, product_partials, partials;
  float *mean, *inverse;  // (2, cols)
  float* diagonal;        // e_i
  float* matrix;          // K_a and K_b, or G
  float* split_matrix;    // (2, splits, rows, rows)
  float* gradient;        // g_a and g_b
  float* along;           // (2, row tiles, cols): sums of g a over the rows of a tile
  float* partial;         // of the loss
  std::int64_t floats;
};

}  // namespace cuda
}  // namespace nagare::kernels
