#pragma once
// How the CPU twin of contrastive.h walks the matrix of logits: tiles of it, pairs of blocks, rows of one identity. Its
// forward and its backward share this.
#include <algorithm>

#include "kernels/contrastive_rows.h"
#include "kernels/contrastive_tile.h"
#include "kernels/parallel.h"
#include "kernels/tile_product.h"

namespace nagare::kernels::cpu {

inline constexpr std::int64_t kStreamTile = kMaxTileSide;  // streamed rows of a tile where q and k differ

// Square tiles where k is q: larger ones run faster and in fewer rounds, smaller ones keep few rows in step.
inline std::int64_t square_tile(const Contrastive& p) { return p.rows > 256 ? kMaxTileSide : 64; }

// Which rows of a tile are queries: the owners, the streamed rows, or both (k is q).
enum class Queries : std::uint8_t { owners, streamed, both };

struct Range {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t size() const { return end - begin; }
};

// The logits that the forward leaves to the backward, behind the rows' stats: tiles of up to 128 x 128, owned by the shorter
// of q and k (by q where they are equal). The forward has masked what its sum must not see.
class KeptLogits {
 public:
  static std::int64_t floats(const Contrastive& p) { return tiles(p.rows) * tiles(p.columns) * kTileFloats; }

  KeptLogits(const Contrastive& p, float* stats)
      : first_(p.keeps_logits() ? stats + 4 * p.rows : nullptr),
        streamed_tiles_(tiles(std::max(p.rows, p.columns))) {}

  bool defined() const { return first_ != nullptr; }
  float* tile(const Range& owners, const Range& streamed) const {
    const std::int64_t row = owners.begin / kMaxTileSide;
    return first_ + (row * streamed_tiles_ + streamed.begin / kStreamTile) * kTileFloats;
  }

 private:
  static constexpr std::int64_t kTileFloats = kMaxTileSide * kStreamTile;
  static std::int64_t tiles(std::int64_t rows) { return (rows + kMaxTileSide - 1) / kMaxTileSide; }

  float* first_;
  std::int64_t streamed_tiles_;
};

inline Range block_of(std::int64_t n, std::int64_t block, std::int64_t i) {
  return {i * block, std::min((i + 1) * block, n)};
}

// body(i, j) for all pairs i <= j of n blocks. Bodies that share a block never run at the same time, and follow each other
// in the same order however many threads there are, body(i, i) first: a round-robin tournament, whose rounds pair every
// block with one other.
template <class Body>
void for_each_pair_of_blocks(std::int64_t n, const Body& body) {
  const std::int64_t players = n + n % 2;  // with an odd n somebody pauses
  for (std::int64_t round = 0; round + 1 < players; ++round) {
    parallel_for(players / 2, [&](std::int64_t table) {
      const std::int64_t others = players - 1;
      const std::int64_t a = table == 0 ? others : (round + table) % others;
      const std::int64_t b = (round + others - table) % others;
      if (round == 0 && a < n) body(a, a);
      if (round == 0) body(b, b);
      if (a < n) body(std::min(a, b), std::max(a, b));
    });
  }
}

// body(i, j) for the pairs of an owner and a streamed row with the same identity, owner by owner.
template <class Body>
void for_each_same(const Identities& owner, const Range& owners, const Identities& stream,
                   const Range& streamed, const Body& body) {
  const std::int64_t first = stream.period > 0 ? streamed.begin % stream.period : 0;
  std::int64_t identity = owner.of(owners.begin);
  for (std::int64_t i = owners.begin; i < owners.end; ++i) {
    if (i > owners.begin) identity = owner.next(i, identity);
    if (stream.labels != nullptr) {
      std::int64_t same[kMaxTileSide];
      std::int64_t count = 0;
      for (std::int64_t j = streamed.begin; j < streamed.end; ++j) {
        same[count] = j;  // without a branch: which labels are equal cannot be foretold
        count += stream.labels[j] == identity ? 1 : 0;
      }
      for (std::int64_t k = 0; k < count; ++k) body(i, same[k]);
    } else if (identity < stream.period) {
      const std::int64_t ahead = identity >= first ? identity - first : identity - first + stream.period;
      for (std::int64_t j = streamed.begin + ahead; j < streamed.end; j += stream.period) body(i, j);
    }
  }
}

// body(i) for the rows on both sides of a tile of a matrix with itself.
template <class Body>
void for_each_self(const Contrastive& p, const Range& owners, const Range& streamed, const Body& body) {
  if (!p.self) return;
  const std::int64_t end = std::min(owners.end, streamed.end);
  for (std::int64_t i = std::max(owners.begin, streamed.begin); i < end; ++i) body(i);
}

inline void product(const TileProduct& p, const LogitTile& tile, const float* a, const float* b,
                    float scale) {
  TileProduct scaled = p;
  scaled.scale = scale;
  tile_product(scaled, a, b, tile.s);
}

inline void product(const TileProduct& p, const LogitTile& tile, const bf16* a, const bf16* b, float scale) {
  TileProduct dense = p;
  dense.stride_c = p.cols;
  tile_product(dense, a, b, tile.s);
  spread_tile(tile, scale);
}

inline LogitTile tile_of(const Range& owners, const Range& streamed, float* s) {
  return {s, owners.size(), streamed.size(), round_up_to_lanes(streamed.size())};
}

// The logits of rows `owners` of a against rows `streamed` of b, in `s`.
template <class T>
LogitTile logits(const Contrastive& p, const T* a, const Range& owners, const T* b, const Range& streamed,
                 float* s) {
  const LogitTile tile = tile_of(owners, streamed, s);
  product({.rows = tile.rows,
           .cols = tile.cols,
           .inner = p.dim,
           .stride_a = p.dim,
           .stride_b = p.dim,
           .stride_c = tile.stride,
           .transpose_b = true},
          tile, a + owners.begin * p.dim, b + streamed.begin * p.dim, 1.0F / p.temperature);
  pad_tile(tile);
  return tile;
}

// A tile of a matrix with itself, made symmetric to the last bit, which a product need not be: then s_ij as row i's logit
// is s_ij as row j's, and a row that has nothing but its positive has no gradient at all.
inline void mirror(const LogitTile& tile) {
  for (std::int64_t r = 1; r < tile.rows; ++r) {
    for (std::int64_t c = 0; c < r; ++c) tile.s[r * tile.stride + c] = tile.s[c * tile.stride + r];
  }
}

// The logit of a row's own column.
template <class T>
float own_logit(const Contrastive& p, const ContrastiveInputs<T>& in, std::int64_t row) {
  double sum = 0.0;
  for (std::int64_t i = row * p.dim; i < (row + 1) * p.dim; ++i) {
    sum += static_cast<double>(load(in.q + i)) * static_cast<double>(load(in.own + i));
  }
  return static_cast<float>(sum / p.temperature);
}

}  // namespace nagare::kernels::cpu
