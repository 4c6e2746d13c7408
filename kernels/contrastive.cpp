#include "kernels/contrastive.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/contrastive_walk.h"

namespace nagare::kernels {

void Contrastive::check() const {
  const bool sizes = rows >= 0 && columns >= 1 && dim >= 1 && (!self || rows == columns);
  const bool identities = own ? !labelled : labelled || (row_period >= 1 && column_period >= 1);
  const bool kinds = !own || (!self && positives == ContrastivePositives::averaged);
  const bool same_identities = !self || labelled || row_period == column_period;
  if (!sizes || !identities || !kinds || !same_identities ||
      !(temperature > 0.0F && std::isfinite(temperature))) {
    throw std::invalid_argument("contrastive: q (" + std::to_string(rows) + ", " + std::to_string(dim) +
                                "), k (" + std::to_string(columns) + ", " + std::to_string(dim) +
                                "), temperature " + std::to_string(temperature) + ", periods " +
                                std::to_string(row_period) + " and " + std::to_string(column_period) +
                                (self ? ", self" : "") + (own ? ", own" : "") +
                                (labelled ? ", labelled" : "") +
                                ": need rows >= 0, columns and dim >= 1, a positive and finite temperature, "
                                "periods >= 1 or labels or "
                                "averaged own; with self as many rows as columns and one period");
  }
}

ContrastiveSplit::ContrastiveSplit(const Rule& rule, std::int64_t owners, std::int64_t streamed)
    : tile(rule.tile), tiles((owners + tile - 1) / tile) {
  const std::int64_t blocks = (streamed + rule.block - 1) / rule.block;
  const std::int64_t wanted =
      std::max<std::int64_t>(1, std::min(rule.tasks / std::max<std::int64_t>(tiles, 1), blocks));
  length = std::max<std::int64_t>(1, (blocks + wanted - 1) / wanted) * rule.block;
  count = (streamed + length - 1) / length;
}

bool Contrastive::keeps_logits() const {
  const bool small = rows * columns <= (rows + columns) * dim / 4;
  return small && !self && positives != ContrastivePositives::summed;  // these mask what the backward needs
}

std::int64_t Contrastive::stats_floats() const {
  return 4 * rows + (keeps_logits() ? cpu::KeptLogits::floats(*this) : 0);
}

// Forward: per part four numbers a row; CUDA makes the most parts. Backward: a coefficient per row, then the partial
// gradients of whichever way needs the most of them.
std::int64_t Contrastive::scratch_floats() const {
  const std::int64_t padded = PartialRows::padded(rows);
  const ContrastiveSplit by_row(ContrastiveSplit::kCuda, rows, columns);
  const ContrastiveSplit by_column(ContrastiveSplit::kCuda, columns, rows);
  const auto partial = [&](const ContrastiveSplit& split, std::int64_t owners) {
    return split.count > 1 ? split.count * owners * dim : 0;
  };
  const std::int64_t both =
      self ? 0 : ContrastiveSplit::of_longer(std::max(rows, columns)).count * std::min(rows, columns) * dim;
  return std::max(by_row.count * 4 * padded,
                  padded + std::max({partial(by_row, rows), partial(by_column, columns), both}));
}

namespace cpu {
namespace {

void add_positive(const Contrastive& p, const PartialRows& part, std::int64_t row, float s) {
  RowSums sums = part.load(row);
  sums.add_positive(p, s);
  part.store(row, sums);
}

// Collects the positives of a tile and masks what the denominator's sum must not see: the self columns, and the positives
// where they are left out or summed on their own.
void take_positives(const Contrastive& p, Queries queries, const Identities& owner_identity,
                    const Identities& streamed_identity, const LogitTile& tile, const Range& owners,
                    const Range& streamed, const PartialRows& part) {
  const auto logit = [&](std::int64_t i, std::int64_t j) -> float& {
    return tile.s[(i - owners.begin) * tile.stride + (j - streamed.begin)];
  };
  if (!p.own) {
    for_each_same(owner_identity, owners, streamed_identity, streamed, [&](std::int64_t i, std::int64_t j) {
      if (p.self && i == j) return;
      float& s = logit(i, j);
      if (queries != Queries::streamed) add_positive(p, part, i, s);
      if (queries != Queries::owners) add_positive(p, part, j, s);
      if (p.positives != ContrastivePositives::averaged) s = -INFINITY;
    });
  }
  for_each_self(p, owners, streamed, [&](std::int64_t i) { logit(i, i) = -INFINITY; });
}

template <class T>
void sum_parts(const Contrastive& p, const ContrastiveInputs<T>& in, const Identities& row_identity,
               const Identities& column_identity, const KeptLogits& kept, float* scratch) {
  const ContrastiveSplit split(ContrastiveSplit::kCpu, p.rows, p.columns);
  parallel_for(split.tiles * split.count, [&](std::int64_t task) {
    alignas(64) float own[kMaxTileSide * kStreamTile];
    const Range rows = block_of(p.rows, split.tile, task / split.count);
    const Range all = block_of(p.columns, split.length, task % split.count);
    const PartialRows part(p, scratch, task % split.count);
    for (std::int64_t i = rows.begin; i < rows.end; ++i) part.store(i, RowSums(p));
    for (std::int64_t begin = all.begin; begin < all.end; begin += kStreamTile) {
      const Range columns{begin, std::min(begin + kStreamTile, all.end)};
      float* s = kept.defined() ? kept.tile(rows, columns) : own;
      const LogitTile tile = logits(p, in.q, rows, in.k, columns, s);
      take_positives(p, Queries::owners, row_identity, column_identity, tile, rows, columns, part);
      add_rows(tile, {part.max + rows.begin, part.sum + rows.begin});
    }
  });
}

// With fewer columns than rows: a part of the rows takes all columns, which own the tiles (oneDNN's product of rows with
// rows is the faster the more columns it has).
template <class T>
void sum_by_columns(const Contrastive& p, const ContrastiveInputs<T>& in, const Identities& row_identity,
                    const Identities& column_identity, const KeptLogits& kept, float* scratch) {
  const ContrastiveSplit split = ContrastiveSplit::of_longer(p.rows);
  const PartialRows sums(p, scratch, 0);
  parallel_for(split.count, [&](std::int64_t part) {
    alignas(64) float own[kMaxTileSide * kStreamTile];
    const Range all = block_of(p.rows, split.length, part);
    for (std::int64_t begin = all.begin; begin < all.end; begin += kStreamTile) {
      const Range rows{begin, std::min(begin + kStreamTile, all.end)};
      const std::int64_t padded = begin + round_up_to_lanes(rows.size());
      for (std::int64_t i = begin; i < padded; ++i) sums.store(i, RowSums(p));
      for (std::int64_t column = 0; column < p.columns; column += kMaxTileSide) {
        const Range columns{column, std::min(column + kMaxTileSide, p.columns)};
        float* s = kept.defined() ? kept.tile(columns, rows) : own;
        const LogitTile tile = logits(p, in.k, columns, in.q, rows, s);
        take_positives(p, Queries::streamed, column_identity, row_identity, tile, columns, rows, sums);
        add_columns(tile, {sums.max + begin, sums.sum + begin});
      }
    }
  });
}

// k is q: a tile serves the rows on either side of it.
template <class T>
void sum_pairs(const Contrastive& p, const ContrastiveInputs<T>& in, const Identities& identity,
               float* scratch) {
  const PartialRows part(p, scratch, 0);
  for (std::int64_t i = 0; i < PartialRows::padded(p.rows); ++i) part.store(i, RowSums(p));
  const std::int64_t block = square_tile(p);
  for_each_pair_of_blocks((p.rows + block - 1) / block, [&](std::int64_t i, std::int64_t j) {
    alignas(64) float s[kMaxTileSide * kMaxTileSide];
    const Range rows = block_of(p.rows, block, i);
    const Range columns = block_of(p.rows, block, j);
    const LogitTile tile = logits(p, in.q, rows, in.q, columns, s);
    if (i == j) mirror(tile);
    take_positives(p, i == j ? Queries::owners : Queries::both, identity, identity, tile, rows, columns,
                   part);
    const RunningSums to_rows{part.max + rows.begin, part.sum + rows.begin};
    if (i == j) {
      add_rows(tile, to_rows);
    } else {
      add_both(tile, to_rows, {part.max + columns.begin, part.sum + columns.begin});
    }
  });
}

template <class T>
void finish_rows(const Contrastive& p, const ContrastiveInputs<T>& in, std::int64_t parts, float* scratch,
                 const RowStats<float>& to, float* loss) {
  for_each_block(p.rows, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      RowSums row(p);
      for (std::int64_t part = 0; part < parts; ++part) row.merge(p, PartialRows(p, scratch, part).load(i));
      if (p.own) {
        const float s = own_logit(p, in, i);
        row.merge(p, {s, 1.0F, s, 1.0F});
      }
      loss[i] = finish_row(p, row, i, to);
    }
  });
}

}  // namespace

template <class T>
void contrastive(const Contrastive& p, const ContrastiveInputs<T>& in, float* scratch, float* stats,
                 float* loss, Stream) {
  p.check();
  if (p.rows == 0) return;
  const Identities row_identity{in.row_labels, p.row_period};
  const Identities column_identity{in.column_labels, p.column_period};
  const KeptLogits kept(p, stats);
  std::int64_t parts = 1;
  if (p.self) {
    sum_pairs(p, in, row_identity, scratch);
  } else if (p.columns < p.rows) {
    sum_by_columns(p, in, row_identity, column_identity, kept, scratch);
  } else {
    sum_parts(p, in, row_identity, column_identity, kept, scratch);
    parts = ContrastiveSplit(ContrastiveSplit::kCpu, p.rows, p.columns).count;
  }
  finish_rows(p, in, parts, scratch, RowStats<float>(p, stats), loss);
}

template void contrastive(const Contrastive&, const ContrastiveInputs<float>&, float*, float*, float*,
                          Stream);
template void contrastive(const Contrastive&, const ContrastiveInputs<bf16>&, float*, float*, float*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
