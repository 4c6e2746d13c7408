#pragma once
// How the twins of variance_covariance use their scratch memory.
#include <algorithm>

#include "kernels/gram.h"
#include "kernels/scratch.h"
#include "kernels/variance_covariance.h"

namespace nagare::kernels {

namespace cpu {

struct CovarianceScratch {
  static constexpr std::int64_t kTile = 128;  // columns whose gradients are made at a time
  static constexpr std::int64_t kSlots = 16;  // such blocks in work at the same time, at most

  CovarianceScratch(const VarianceCovariance& p, ScratchParts parts)
      : stride(padded(p.cols)),
        blocks((p.cols + kTile - 1) / kTile),
        slots(std::min(blocks, kSlots)),
        order(p.by_rows() ? p.rows : p.cols),
        order_stride(padded(order)),
        moment_blocks((p.cols + kMomentColumns - 1) / kMomentColumns),
        mean{parts.take<float>(p.cols), parts.take<float>(p.cols)},
        variance{parts.take<float>(p.cols), parts.take<float>(p.cols)},
        partial(parts.take<float>(std::max(moment_blocks, 2 * order))),
        centred{parts.take<float>(p.needs_moments() ? p.rows * stride : 0),
                parts.take<float>(p.needs_moments() ? p.rows * stride : 0)},
        matrix{parts.take<float>(p.needs_products() ? order * order_stride : 0),
               parts.take<float>(p.needs_products() ? order * order_stride : 0)},
        tiles(parts.take<float>(p.needs_products() ? slots * p.rows * kTile : 0)),
        floats(parts.used() / static_cast<std::int64_t>(sizeof(float))) {}

  std::int64_t stride, blocks, slots, order, order_stride, moment_blocks;
  float* mean[2];
  float* variance[2];
  float* partial;     // sums
  float* centred[2];  // X and Y
  float* matrix[2];   // K / (N - 1), or C without its diagonal
  float* tiles;       // one per slot
  std::int64_t floats;
};

}  // namespace cpu

namespace cuda {

struct CovarianceScratch {
  CovarianceScratch(const VarianceCovariance& p, ScratchParts parts)
      : row_tiles((p.rows + kGramTile - 1) / kGramTile),
        column_tiles((p.cols + kGramTile - 1) / kGramTile),
        order(p.by_rows() ? p.rows : p.cols),
        splits(p.by_rows() && p.needs_products() ? gram_splits(p.rows, p.cols) : 0),
        invariance_parts(std::min<std::int64_t>((p.rows * p.cols + 255) / 256, 1024)),
        column_parts(p.needs_moments() ? (2 * p.cols + 255) / 256 : 0),
        covariance_parts(!p.needs_products() ? 0
                         : p.by_rows()       ? std::min<std::int64_t>((p.rows * p.rows + 255) / 256, 1024)
                                             : 2 * lower_tiles(p.cols)),
        mean(parts.take<float>(2 * p.cols)),
        squares(parts.take<float>(2 * p.cols)),
        matrix(parts.take<float>(p.needs_products() ? 2 * order * order : 0)),
        split_matrix(parts.take<float>(2 * splits * p.rows * p.rows)),
        invariance(parts.take<float>(invariance_parts)),
        hinge(parts.take<float>(column_parts)),
        diagonal(parts.take<float>(column_parts)),
        covariance(parts.take<float>(covariance_parts)),
        floats(parts.used() / static_cast<std::int64_t>(sizeof(float))) {}

  std::int64_t row_tiles, column_tiles, order, splits, invariance_parts, column_parts, covariance_parts;
  float *mean, *squares;  // (2, cols)
  float* matrix;          // (2, order, order): K / (N - 1), or C without its diagonal
  float* split_matrix;    // (2, splits, rows, rows)
  // Parts of the terms: sums of (x - y)^2, of max(0, 1 - sd), of v^2 and of squares in `matrix`.
  float *invariance, *hinge, *diagonal, *covariance;
  std::int64_t floats;
};

}  // namespace cuda

}  // namespace nagare::kernels
