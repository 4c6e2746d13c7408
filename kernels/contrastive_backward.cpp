// The CPU twin's gradient. Logits are computed again, tile by tile, from the rows' statistics alone.
#include <cmath>

#include "kernels/contrastive_walk.h"

namespace nagare::kernels::cpu {
namespace {

constexpr std::int64_t kWideDim = 128;  // bf16 rows are widened this many columns at a time

// What weigh_* reads of one side of a tile, with room for whole vectors.
struct SideSoftmaxes {
  alignas(64) float max[kMaxTileSide] = {};
  alignas(64) float log_sum[kMaxTileSide] = {};
  alignas(64) float coefficient[kMaxTileSide] = {};

  SideSoftmaxes(const RowStats<const float>& stats, const float* coefficients, const Range& rows) {
    std::copy(stats.max + rows.begin, stats.max + rows.end, max);
    std::copy(stats.log_sum + rows.begin, stats.log_sum + rows.end, log_sum);
    std::copy(coefficients + rows.begin, coefficients + rows.end, coefficient);
  }
  RowSoftmaxes view() const { return {max, log_sum, coefficient}; }
};

// Everything but the tile: coefficient[i] = dloss[i] / T.
struct Gradient {
  const Contrastive& p;
  RowStats<const float> stats;
  const float* coefficient;

  // What a positive with logit s adds to query i's gradient of s; without averaging, all of it.
  float of_positive(std::int64_t i, float s) const {
    if (p.positives != ContrastivePositives::summed) return -coefficient[i] * stats.positive_share[i];
    const float in_all = std::exp((s - stats.max[i]) - stats.log_sum[i]);
    const float in_positives = std::exp((s - stats.positive_max[i]) - stats.positive_share[i]);
    return coefficient[i] * (in_all - in_positives);
  }
};

void weigh(const Gradient& g, Queries queries, const LogitTile& tile, const Range& owners,
           const Range& streamed, float* w) {
  if (queries == Queries::owners) {
    weigh_rows(tile,
               {g.stats.max + owners.begin, g.stats.log_sum + owners.begin, g.coefficient + owners.begin}, w);
    return;
  }
  const SideSoftmaxes other(g.stats, g.coefficient, streamed);
  if (queries == Queries::streamed) {
    weigh_columns(tile, other.view(), w);
  } else {
    weigh_both(tile, SideSoftmaxes(g.stats, g.coefficient, owners).view(), other.view(), w);
  }
}

void mend_positives(const Gradient& g, Queries queries, const Identities& owner_identity,
                    const Identities& streamed_identity, const LogitTile& tile, const Range& owners,
                    const Range& streamed, float* w) {
  const bool added = g.p.positives == ContrastivePositives::averaged;
  const auto at = [&](std::int64_t i, std::int64_t j) {
    return (i - owners.begin) * tile.stride + (j - streamed.begin);
  };
  if (!g.p.own) {
    for_each_same(owner_identity, owners, streamed_identity, streamed, [&](std::int64_t i, std::int64_t j) {
      float change = 0.0F;
      if (queries != Queries::streamed) change += g.of_positive(i, tile.s[at(i, j)]);
      if (queries != Queries::owners) change += g.of_positive(j, tile.s[at(i, j)]);
      w[at(i, j)] = added ? w[at(i, j)] + change : change;
    });
  }
  for_each_self(g.p, owners, streamed, [&](std::int64_t i) { w[at(i, i)] = 0.0F; });
}

// out (+)= w y, or w^T y where `transposed`; y is the side that w's gradients are sums over.
struct WeightedSum {
  const LogitTile& tile;
  const float* w;
  bool transposed;
  std::int64_t dim;
  bool first;

  TileProduct over(std::int64_t cols, std::int64_t stride_b) const {
    return {.rows = transposed ? tile.cols : tile.rows,
            .cols = cols,
            .inner = transposed ? tile.rows : tile.cols,
            .stride_a = tile.stride,
            .stride_b = stride_b,
            .stride_c = dim,
            .transpose_a = transposed,
            .keep = first ? 0.0F : 1.0F};
  }
};

void add_weighted(const WeightedSum& sum, const float* y, float* out) {
  tile_product(sum.over(sum.dim, sum.dim), sum.w, y, out);
}

void add_weighted(const WeightedSum& sum, const bf16* y, float* out) {
  alignas(64) float wide[kMaxTileSide * kWideDim];
  const std::int64_t count = sum.transposed ? sum.tile.rows : sum.tile.cols;
  for (std::int64_t begin = 0; begin < sum.dim; begin += kWideDim) {
    const std::int64_t cols = std::min(kWideDim, sum.dim - begin);
    for (std::int64_t r = 0; r < count; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) wide[r * cols + c] = load(y + r * sum.dim + begin + c);
    }
    tile_product(sum.over(cols, cols), sum.w, wide, out + begin);
  }
}

template <class T>
struct Side {
  const T* x;
  std::int64_t rows;
  Identities identity;
};

// out = sum over the streamed rows, in `split.count` parts: out holds one after the other.
template <class T>
void sum_parts(const Gradient& g, Queries queries, const Side<T>& owner, const Side<T>& stream,
               const ContrastiveSplit& split, float* out) {
  parallel_for(split.tiles * split.count, [&](std::int64_t task) {
    alignas(64) float s[kMaxTileSide * kStreamTile];
    alignas(64) float w[kMaxTileSide * kStreamTile];
    const Range owners = block_of(owner.rows, split.tile, task / split.count);
    const Range all = block_of(stream.rows, split.length, task % split.count);
    float* rows_out = out + (task % split.count * owner.rows + owners.begin) * g.p.dim;
    for (std::int64_t begin = all.begin; begin < all.end; begin += kStreamTile) {
      const Range streamed{begin, std::min(begin + kStreamTile, all.end)};
      const LogitTile tile = logits(g.p, owner.x, owners, stream.x, streamed, s);
      weigh(g, queries, tile, owners, streamed, w);
      mend_positives(g, queries, owner.identity, stream.identity, tile, owners, streamed, w);
      add_weighted({tile, w, false, g.p.dim, begin == all.begin}, stream.x + begin * g.p.dim, rows_out);
    }
  });
}

// k is q: the tile's weights serve the rows on either side of it.
template <class T>
void sum_pairs(const Gradient& g, const Side<T>& side, float* dq) {
  const std::int64_t block = square_tile(g.p);
  for_each_pair_of_blocks((side.rows + block - 1) / block, [&](std::int64_t i, std::int64_t j) {
    alignas(64) float s[kMaxTileSide * kMaxTileSide];
    alignas(64) float w[kMaxTileSide * kMaxTileSide];
    const Range rows = block_of(side.rows, block, i);
    const Range columns = block_of(side.rows, block, j);
    const LogitTile tile = logits(g.p, side.x, rows, side.x, columns, s);
    if (i == j) mirror(tile);
    weigh(g, Queries::both, tile, rows, columns, w);
    mend_positives(g, Queries::both, side.identity, side.identity, tile, rows, columns, w);
    // The diagonal comes first of all that a block takes part in.
    const std::int64_t dim = g.p.dim;
    add_weighted({tile, w, false, dim, i == j}, side.x + columns.begin * dim, dq + rows.begin * dim);
    if (i != j)
      add_weighted({tile, w, true, dim, false}, side.x + rows.begin * dim, dq + columns.begin * dim);
  });
}

// Gradients of both sides from one pass over the tiles; either may be nullptr. The longer side is cut into `split.count`
// parts: a part makes the whole gradient of its own rows, and its share in the other side's, in `partial` one part after
// the other. The shorter side owns the tiles: oneDNN's product of rows with rows is the faster the more columns it has.
template <class T>
void sum_both(const Gradient& g, Queries queries, const Side<T>& shorter, const Side<T>& longer,
              const KeptLogits& kept, const ContrastiveSplit& split, float* partial, float* out) {
  const std::int64_t dim = g.p.dim;
  parallel_for(split.count, [&](std::int64_t part) {
    alignas(64) float s[kMaxTileSide * kStreamTile];
    alignas(64) float w[kMaxTileSide * kStreamTile];
    const Range all = block_of(longer.rows, split.length, part);
    for (std::int64_t begin = all.begin; begin < all.end; begin += kStreamTile) {
      const Range streamed{begin, std::min(begin + kStreamTile, all.end)};
      for (std::int64_t row = 0; row < shorter.rows; row += kMaxTileSide) {
        const Range owners{row, std::min(row + kMaxTileSide, shorter.rows)};
        const LogitTile tile = kept.defined() ? tile_of(owners, streamed, kept.tile(owners, streamed))
                                              : logits(g.p, shorter.x, owners, longer.x, streamed, s);
        weigh(g, queries, tile, owners, streamed, w);
        mend_positives(g, queries, shorter.identity, longer.identity, tile, owners, streamed, w);
        if (out != nullptr) {
          add_weighted({tile, w, true, dim, row == 0}, shorter.x + row * dim, out + begin * dim);
        }
        if (partial != nullptr) {
          add_weighted({tile, w, false, dim, begin == all.begin}, longer.x + begin * dim,
                       partial + (part * shorter.rows + row) * dim);
        }
      }
    }
  });
}

// to = the sum of `parts` runs of n floats.
void add_parts(std::int64_t parts, std::int64_t n, const float* partial, float* to) {
  for_each_block(n, 4096, [=](std::int64_t begin, std::int64_t end) {
    std::copy(partial + begin, partial + end, to + begin);
    for (std::int64_t k = 1; k < parts; ++k) {
      const float* from = partial + k * n;
      for (std::int64_t c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

// What the own column adds to dq.
template <class T>
void add_own(const Gradient& g, const ContrastiveInputs<T>& in, float* dq) {
  const std::int64_t dim = g.p.dim;
  parallel_for(g.p.rows, [=, &g, &in](std::int64_t i) {
    const float share =
        std::exp((own_logit(g.p, in, i) - g.stats.max[i]) - g.stats.log_sum[i]) - g.stats.positive_share[i];
    for (std::int64_t c = 0; c < dim; ++c) {
      dq[i * dim + c] += g.coefficient[i] * share * load(in.own + i * dim + c);
    }
  });
}

// The gradient of one side alone.
template <class T>
void side_gradient(const Gradient& g, Queries queries, const Side<T>& owner, const Side<T>& stream,
                   float* partial, float* out) {
  const ContrastiveSplit split(ContrastiveSplit::kCpu, owner.rows, stream.rows);
  sum_parts(g, queries, owner, stream, split, split.count > 1 ? partial : out);
  if (split.count > 1) add_parts(split.count, owner.rows * g.p.dim, partial, out);
}

template <class T>
void both_gradients(const Gradient& g, const Side<T>& queries, const Side<T>& keys, const KeptLogits& kept,
                    float* partial, float* dq, float* dk) {
  const bool query_tiles = queries.rows <= keys.rows;
  const Side<T>& shorter = query_tiles ? queries : keys;
  const Side<T>& longer = query_tiles ? keys : queries;
  float* const of_shorter = query_tiles ? dq : dk;
  const ContrastiveSplit split = ContrastiveSplit::of_longer(longer.rows);
  sum_both(g, query_tiles ? Queries::owners : Queries::streamed, shorter, longer, kept, split,
           of_shorter != nullptr ? partial : nullptr, query_tiles ? dk : dq);
  if (of_shorter != nullptr) add_parts(split.count, shorter.rows * g.p.dim, partial, of_shorter);
}

}  // namespace

template <class T>
void contrastive_backward(const Contrastive& p, const ContrastiveInputs<T>& in, const float* stats,
                          const float* dloss, float* scratch, float* dq, float* dk, Stream) {
  p.check();
  if (p.rows == 0) {
    if (dk != nullptr) std::fill(dk, dk + p.columns * p.dim, 0.0F);
    return;
  }
  for (std::int64_t i = 0; i < p.rows; ++i) scratch[i] = dloss[i] / p.temperature;
  float* partial = scratch + PartialRows::padded(p.rows);
  const Gradient g{p, RowStats<const float>(p, stats), scratch};
  const Side<T> queries{in.q, p.rows, {in.row_labels, p.row_period}};
  const Side<T> keys{in.k, p.columns, {in.column_labels, p.column_period}};
  if (p.self) {
    if (dq != nullptr) sum_pairs(g, queries, dq);
    return;
  }
  // The backward only reads what it kept.
  const KeptLogits kept(p, const_cast<float*>(stats));
  if ((dq != nullptr && dk != nullptr) || kept.defined()) {
    both_gradients(g, queries, keys, kept, partial, dq, dk);
  } else if (dq != nullptr) {
    side_gradient(g, Queries::owners, queries, keys, partial, dq);
  } else if (dk != nullptr) {
    side_gradient(g, Queries::streamed, keys, queries, partial, dk);
  }
  if (p.own && dq != nullptr) add_own(g, in, dq);
}

template void contrastive_backward(const Contrastive&, const ContrastiveInputs<float>&, const float*,
                                   const float*, float*, float*, float*, Stream);
template void contrastive_backward(const Contrastive&, const ContrastiveInputs<bf16>&, const float*,
                                   const float*, float*, float*, float*, Stream);

}  // namespace nagare::kernels::cpu
