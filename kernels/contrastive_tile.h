#pragma once
// Tiles of logits on the CPU: the loops that kernels/contrastive.cpp runs over every tile.
//
// A tile holds logits of `rows` owners against `cols` streamed rows, `stride` floats from one owner to the next: cols
// rounded up to 16, the rest filled with -infinity, so that every loop takes whole vectors.
#include <cstdint>

namespace nagare::kernels::cpu {

inline constexpr std::int64_t kMaxTileSide = 128;

struct LogitTile {
  float* s;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t stride;
};

constexpr std::int64_t round_up_to_lanes(std::int64_t n) { return (n + 15) / 16 * 16; }

// A tile whose first rows * cols floats are products in a run (as a bf16 product leaves them): spread to the stride, scaled.
void spread_tile(const LogitTile& tile, float scale);
// -infinity between cols and stride.
void pad_tile(const LogitTile& tile);

// Running maximum and sum of exp(s - maximum), one pair per owner / per streamed row; (-infinity, 0) at first.
struct RunningSums {
  float* max;
  float* sum;
};
void add_rows(const LogitTile& tile, const RunningSums& to);
// Both, or the streamed rows alone; `columns` has room for `stride` entries.
void add_columns(const LogitTile& tile, const RunningSums& columns);
void add_both(const LogitTile& tile, const RunningSums& rows, const RunningSums& columns);

// What makes gradients of logits, one entry per row: coefficient exp((s - max) - log_sum).
struct RowSoftmaxes {
  const float* max;
  const float* log_sum;
  const float* coefficient;
};
// w = the gradient of s as an owner's logit, as a streamed row's, or as both. Of a streamed row's side whole vectors are
// read, of both sides where both count.
void weigh_rows(const LogitTile& tile, const RowSoftmaxes& owners, float* w);
void weigh_columns(const LogitTile& tile, const RowSoftmaxes& streamed, float* w);
void weigh_both(const LogitTile& tile, const RowSoftmaxes& owners, const RowSoftmaxes& streamed, float* w);

}  // namespace nagare::kernels::cpu
