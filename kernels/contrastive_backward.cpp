// The CPU twin's gradient. Logits are computed again, tile by tile, from the rows' statistics alone.
#include <cmath>

#include "kernels/contrastive_walk.h"

namespace nagare::kernels::cpu {
namespace {

constexpr std::int64_t kWideDim = 128;  // bf16 rows are widened this many columns at a time

// Which gradients a tile's weights are of: of logits as the owners' (they are queries), as the streamed rows', or both.
enum class Roles : std::uint8_t { owners, streamed, both };

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

void weigh(const Gradient& g, Roles roles, const LogitTile& tile, const Range& owners, const Range& streamed,
           float* w) {
  if (roles == Roles::owners) {
    weigh_rows(tile,
               {g.stats.max + owners.begin, g.stats.log_sum + owners.begin, g.coefficient + owners.begin}, w);
    return;
  }
  const SideSoftmaxes other(g.stats, g.coefficient, streamed);
  if (roles == Roles::streamed) {
    weigh_columns(tile, other.view(), w);
  } else {
    weigh_both(tile, SideSoftmaxes(g.stats, g.coefficient, owners).view(), other.view(), w);
  }
}

void mend_positives(const Gradient& g, Roles roles, const Identities& owner_identity,
                    const Identities& streamed_identity, const LogitTile& tile, const Range& owners,
                    const Range& streamed, float* w) {
  const bool added = g.p.positives == ContrastivePositives::averaged;
  const auto at = [&](std::int64_t i, std::int64_t j) {
    return (i - owners.begin) * tile.stride + (j - streamed.begin);
  };
  if (!g.p.own) {
    for_each_same(owner_identity, owners, streamed_identity, streamed, [&](std::int64_t i, std::int64_t j) {
      float change = 0.0F;
      if (roles != Roles::streamed) change += g.of_positive(i, tile.s[at(i, j)]);
      if (roles != Roles::owners) change += g.of_positive(j, tile.s[at(i, j)]);
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
void sum_parts(const Gradient& g, Roles roles, const Side<T>& owner, const Side<T>& stream,
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
      weigh(g, roles, tile, owners, streamed, w);
      mend_positives(g, roles, owner.identity, stream.identity, tile, owners, streamed, w);
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
    weigh(g, Roles::both, tile, rows, columns, w);
    mend_positives(g, Roles::both, side.identity, side.identity, tile, rows, columns, w);
    // The diagonal comes first of all that a block takes part in.
    const std::int64_t dim = g.p.dim;
    add_weighted({tile, w, false, dim, i == j}, side.x + columns.begin * dim, dq + rows.begin * dim);
    if (i != j)
      add_weighted({tile, w, true, dim, false}, side.x + rows.begin * dim, dq + columns.begin * dim);
  });
}

// dq = the parts' sum, and what the own column adds.
template <class T>
void finish_queries(const Gradient& g, const ContrastiveInputs<T>& in, std::int64_t parts,
                    const float* partial, float* dq) {
  const std::int64_t dim = g.p.dim;
  parallel_for(g.p.rows, [=, &g, &in](std::int64_t i) {
    float* out = dq + i * dim;
    for (std::int64_t k = 0; k < parts; ++k) {
      const float* from = partial + (k * g.p.rows + i) * dim;
      for (std::int64_t c = 0; c < dim; ++c) out[c] = k == 0 ? from[c] : out[c] + from[c];
    }
    if (!g.p.own) return;
    const float share =
        std::exp((own_logit(g.p, in, i) - g.stats.max[i]) - g.stats.log_sum[i]) - g.stats.positive_share[i];
    for (std::int64_t c = 0; c < dim; ++c) out[c] += g.coefficient[i] * share * load(in.own + i * dim + c);
  });
}

template <class T>
void queries_gradient(const Gradient& g, const ContrastiveInputs<T>& in, const Side<T>& queries,
                      const Side<T>& keys, float* partial, float* dq) {
  if (g.p.self) return sum_pairs(g, queries, dq);
  const ContrastiveSplit split(ContrastiveSplit::kCpu, g.p.rows, g.p.columns);
  const bool parts = split.count > 1;
  sum_parts(g, Roles::owners, queries, keys, split, parts ? partial : dq);
  if (parts || g.p.own) finish_queries(g, in, parts ? split.count : 0, partial, dq);
}

template <class T>
void keys_gradient(const Gradient& g, const Side<T>& queries, const Side<T>& keys, float* partial,
                   float* dk) {
  const ContrastiveSplit split(ContrastiveSplit::kCpu, g.p.columns, g.p.rows);
  const bool parts = split.count > 1;
  sum_parts(g, Roles::streamed, keys, queries, split, parts ? partial : dk);
  if (!parts) return;
  const std::int64_t n = g.p.columns * g.p.dim;
  for_each_block(n, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      float sum = partial[c];
      for (std::int64_t k = 1; k < split.count; ++k) sum += partial[k * n + c];
      dk[c] = sum;
    }
  });
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
  if (dq != nullptr) queries_gradient(g, in, queries, keys, partial, dq);
  if (dk != nullptr) keys_gradient(g, queries, keys, partial, dk);
}

template void contrastive_backward(const Contrastive&, const ContrastiveInputs<float>&, const float*,
                                   const float*, float*, float*, float*, Stream);
template void contrastive_backward(const Contrastive&, const ContrastiveInputs<bf16>&, const float*,
                                   const float*, float*, float*, float*, Stream);

}  // namespace nagare::kernels::cpu
