#include "kernels/contrastive_tile.h"

#include <cmath>
#include <cstring>

#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

using simd::kLanes;
using simd::Vector;

// e^x for x up to 88, relative error 2e-7 (near 0, growing to 4e-6 where e^x is 1e-30); 1 for 0; NaN for NaN. Half the work
// of simd::exp, which reaches further: below -70 it is 0. Beside a largest term of 1 that is nothing, and a processor takes
// a hundred cycles for every subnormal number, which masked logits and low temperatures would make in plenty.
// x = n ln 2 + r, e^r = 1 + r + r^2 (minimax polynomial of degree 3), 2^n added to the exponent's bits.
NAGARE_INLINE void exp_or_zero(const Vector& x, Vector& y) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  const Vector zero{};
  const auto computed = x >= zero - 70.0F;
  const Vector t = computed ? x : zero;
  const Vector shifted = t * 1.44269504F + kRound;
  const Vector r = t - (shifted - kRound) * 0.693147181F;
  Vector p = r * 0.00831243086F + 0.0418909892F;
  p = p * r + 0.166671182F;
  p = p * r + 0.499992258F;
  p = (p * r) * r + r + 1.0F;
  simd::bits::U32 n;  // unsigned: the sum wraps around
  simd::bits::U32 bits;
  std::memcpy(&n, &shifted, sizeof n);
  std::memcpy(&bits, &p, sizeof bits);
  bits += n << 23;
  std::memcpy(&p, &bits, sizeof p);
  y = computed ? p : (zero > x ? zero : x);  // NaN stays
}

// With logits, or the logarithms of sums, this close together one exponential serves as a row's and as a column's: what
// is lost is below e^-30 of what counts.
constexpr float kClose = 40.0F;

struct Bounds {
  float low;
  float high;
  bool close() const { return high - low <= kClose; }
};

// Over whole vectors of finite numbers; NaN is left out.
NAGARE_SIMD Bounds bounds_of(const LogitTile& tile) {
  Vector low = Vector{} + INFINITY;
  Vector high = Vector{} - INFINITY;
  for (std::int64_t c = 0; c < tile.rows * tile.stride; c += kLanes) {
    Vector v;
    simd::load(tile.s + c, v);
    low = v < low ? v : low;
    high = v > high ? v : high;
  }
  return {-simd::max(-low), simd::max(high)};
}

// Sixteen running sums, each joined by a sum under a common maximum.
NAGARE_INLINE void merge_sums(const float* sum, float max, const RunningSums& to) {
  Vector old;
  Vector before;
  Vector added;
  Vector total;
  simd::load(to.max, old);
  const Vector other = Vector{} + max;
  const Vector largest = other > old ? other : old;
  exp_or_zero(old - largest, before);
  exp_or_zero(other - largest, added);
  simd::load(to.sum, total);
  Vector v;
  simd::load(sum, v);
  simd::store(to.sum, total * before + v * added);
  simd::store(to.max, largest);
}

// Of every row and every column: the sum of exp(s - max). Rows and columns come in sixteens.
NAGARE_SIMD void sum_both(const LogitTile& tile, float max, float* rows, float* columns) {
  for (std::int64_t c = 0; c < tile.cols; ++c) columns[c] = 0.0F;
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    Vector sum{};
    for (std::int64_t c = 0; c < tile.cols; c += kLanes) {
      Vector v;
      Vector column;
      simd::load(tile.s + r * tile.stride + c, v);
      simd::load(columns + c, column);
      exp_or_zero(v - max, v);
      sum += v;
      simd::store(columns + c, column + v);
    }
    rows[r] = simd::sum(sum);
  }
}

NAGARE_SIMD void merge_both(const LogitTile& tile, float max, const float* row_sums, const float* column_sums,
                            const RunningSums& rows, const RunningSums& columns) {
  for (std::int64_t r = 0; r < tile.rows; r += kLanes)
    merge_sums(row_sums + r, max, {rows.max + r, rows.sum + r});
  for (std::int64_t c = 0; c < tile.cols; c += kLanes) {
    merge_sums(column_sums + c, max, {columns.max + c, columns.sum + c});
  }
}

}  // namespace

NAGARE_SIMD void spread_tile(const LogitTile& tile, float scale) {
  for (std::int64_t r = tile.rows - 1; r >= 0; --r) {  // from the end: a row moves towards it
    std::memmove(tile.s + r * tile.stride, tile.s + r * tile.cols,
                 static_cast<std::size_t>(tile.cols) * sizeof(float));
    for (std::int64_t c = 0; c < tile.cols; ++c) tile.s[r * tile.stride + c] *= scale;
  }
}

void pad_tile(const LogitTile& tile) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    for (std::int64_t c = tile.cols; c < tile.stride; ++c) tile.s[r * tile.stride + c] = -INFINITY;
  }
}

NAGARE_SIMD void add_rows(const LogitTile& tile, const RunningSums& to) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    const float* s = tile.s + r * tile.stride;
    Vector largest = Vector{} - INFINITY;
    for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
      Vector v;
      simd::load(s + c, v);
      largest = v > largest ? v : largest;  // NaN is left to the sum
    }
    const float tile_max = simd::max(largest);
    const float max = tile_max > to.max[r] ? tile_max : to.max[r];
    const float shift = max == -INFINITY ? 0.0F : max;  // all masked: -inf - -inf would be NaN
    Vector sum{};
    for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
      Vector v;
      simd::load(s + c, v);
      exp_or_zero(v - shift, v);
      sum += v;
    }
    Vector before = Vector{} + (to.max[r] - shift);
    exp_or_zero(before, before);
    to.sum[r] = to.sum[r] * before[0] + simd::sum(sum);
    to.max[r] = max;
  }
}

NAGARE_SIMD void add_columns(const LogitTile& tile, const RunningSums& to) {
  for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
    Vector old;
    simd::load(to.max + c, old);
    Vector max = old;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      Vector v;
      simd::load(tile.s + r * tile.stride + c, v);
      max = v > max ? v : max;
    }
    const Vector zero{};
    const Vector shift = max == zero - INFINITY ? zero : max;
    Vector sum;
    simd::load(to.sum + c, sum);
    Vector before;
    exp_or_zero(old - shift, before);
    sum *= before;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      Vector v;
      simd::load(tile.s + r * tile.stride + c, v);
      exp_or_zero(v - shift, v);
      sum += v;
    }
    simd::store(to.sum + c, sum);
    simd::store(to.max + c, max);
  }
}

void add_both(const LogitTile& tile, const RunningSums& rows, const RunningSums& columns) {
  if (tile.rows % kLanes == 0 && tile.cols % kLanes == 0) {
    const Bounds bounds = bounds_of(tile);
    if (bounds.close()) {
      alignas(64) float row_sums[kMaxTileSide];
      alignas(64) float column_sums[kMaxTileSide];
      sum_both(tile, bounds.high, row_sums, column_sums);
      merge_both(tile, bounds.high, row_sums, column_sums, rows, columns);
      return;
    }
  }
  add_rows(tile, rows);
  add_columns(tile, columns);
}

NAGARE_SIMD void weigh_rows(const LogitTile& tile, const RowSoftmaxes& owners, float* w) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    for (std::int64_t c = r * tile.stride; c < (r + 1) * tile.stride; c += kLanes) {
      Vector v;
      simd::load(tile.s + c, v);
      exp_or_zero((v - owners.max[r]) - owners.log_sum[r], v);
      simd::store(w + c, v * owners.coefficient[r]);
    }
  }
}

NAGARE_SIMD void weigh_columns(const LogitTile& tile, const RowSoftmaxes& streamed, float* w) {
  for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
    Vector max;
    Vector log_sum;
    Vector coefficient;
    simd::load(streamed.max + c, max);
    simd::load(streamed.log_sum + c, log_sum);
    simd::load(streamed.coefficient + c, coefficient);
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      Vector v;
      simd::load(tile.s + r * tile.stride + c, v);
      exp_or_zero((v - max) - log_sum, v);
      simd::store(w + r * tile.stride + c, v * coefficient);
    }
  }
}

namespace {

// Of max + log_sum, the logarithms of the whole sums.
Bounds bounds_of(const RowSoftmaxes& side, std::int64_t count, Bounds bounds) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float whole = side.max[i] + side.log_sum[i];
    bounds.low = whole < bounds.low ? whole : bounds.low;
    bounds.high = whole > bounds.high || std::isnan(whole) ? whole : bounds.high;
  }
  return bounds;
}

// What turns exp(s - common) into a row's coefficient exp((s - max) - log_sum).
NAGARE_SIMD void factors_of(const RowSoftmaxes& side, std::int64_t count, float common, float* factor) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    Vector max;
    Vector log_sum;
    Vector coefficient;
    simd::load(side.max + i, max);
    simd::load(side.log_sum + i, log_sum);
    simd::load(side.coefficient + i, coefficient);
    exp_or_zero((common - max) - log_sum, max);
    simd::store(factor + i, max * coefficient);
  }
}

NAGARE_SIMD void weigh_by_factors(const LogitTile& tile, float common, const float* row_factor,
                                  const float* column_factor, float* w) {
  for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
    Vector factor;
    simd::load(column_factor + c, factor);
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      Vector v;
      simd::load(tile.s + r * tile.stride + c, v);
      exp_or_zero(v - common, v);
      simd::store(w + r * tile.stride + c, v * (factor + row_factor[r]));
    }
  }
}

NAGARE_SIMD void weigh_separately(const LogitTile& tile, const RowSoftmaxes& owners,
                                  const RowSoftmaxes& streamed, float* w) {
  for (std::int64_t c = 0; c < tile.stride; c += kLanes) {
    Vector max;
    Vector log_sum;
    Vector coefficient;
    simd::load(streamed.max + c, max);
    simd::load(streamed.log_sum + c, log_sum);
    simd::load(streamed.coefficient + c, coefficient);
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      Vector v;
      Vector as_row;
      Vector as_column;
      simd::load(tile.s + r * tile.stride + c, v);
      exp_or_zero((v - owners.max[r]) - owners.log_sum[r], as_row);
      exp_or_zero((v - max) - log_sum, as_column);
      simd::store(w + r * tile.stride + c, as_row * owners.coefficient[r] + as_column * coefficient);
    }
  }
}

}  // namespace

void weigh_both(const LogitTile& tile, const RowSoftmaxes& owners, const RowSoftmaxes& streamed, float* w) {
  const Bounds bounds = bounds_of(streamed, tile.cols, bounds_of(owners, tile.rows, {INFINITY, -INFINITY}));
  if (!bounds.close()) return weigh_separately(tile, owners, streamed, w);
  alignas(64) float row_factor[kMaxTileSide];
  alignas(64) float column_factor[kMaxTileSide];
  factors_of(owners, tile.rows, bounds.high, row_factor);
  factors_of(streamed, tile.cols, bounds.high, column_factor);
  weigh_by_factors(tile, bounds.high, row_factor, column_factor, w);
}

}  // namespace nagare::kernels::cpu
