#pragma once
// Sums of exponentials along a row, for the CPU twins of the softmax family. Everything is inlined into the NAGARE_SIMD
// function that uses it.
//
// Rows are taken in tiles that stay in the first cache, so that one read of a row gives both its maximum and its sum of
// exponentials; sixteen f32 lanes add within a tile, where rounding has no room to grow, and double across tiles.
#include <cmath>
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::simd {

inline constexpr std::int64_t kRowTile = 1024;

NAGARE_INLINE std::int64_t tile_end(std::int64_t begin, std::int64_t n) {
  return begin + kRowTile < n ? begin + kRowTile : n;
}

// The largest of entries [begin, end), but at least `from`. NaN is passed over.
template <class T>
NAGARE_INLINE float row_max(const T* x, std::int64_t begin, std::int64_t end, float from) {
  Vector largest = Vector{} + from;
  Vector v;
  for (std::int64_t c = begin; c < end; c += kLanes) {
    load_row(x, c, end, -INFINITY, v);
    largest = v > largest ? v : largest;
  }
  return max(largest);
}

// sum exp((x - shift) scale) over entries [begin, end).
template <class T>
NAGARE_INLINE float sum_of_exp(const T* x, std::int64_t begin, std::int64_t end, float shift, float scale) {
  Vector total = {};
  Vector v;
  for (std::int64_t c = begin; c < end; c += kLanes) {
    load_row(x, c, end, -INFINITY, v);
    exp_or_zero((v - shift) * scale, v);
    total += v;
  }
  return sum(total);
}

// max = the row's largest entry, sum = sum exp((x - max) scale); scale > 0. A row with NaN or +inf has the sum NaN; a row
// of -inf alone has max = -inf and the sum 0.
template <class T>
NAGARE_INLINE void row_max_and_sum(const T* x, std::int64_t n, float scale, float& max, double& sum) {
  max = -INFINITY;
  sum = 0.0;
  for (std::int64_t c = 0; c < n; c += kRowTile) {
    const std::int64_t end = tile_end(c, n);
    const float larger = row_max(x, c, end, max);
    // -inf - -inf is NaN, which masked entries alone must not give, but NaN among them must.
    const float shift = larger == -INFINITY ? 0.0F : larger;
    if (larger > max && sum > 0.0) sum *= std::exp((static_cast<double>(max) - larger) * scale);
    max = larger;
    sum += sum_of_exp(x, c, end, shift, scale);
  }
}

// body(r) for the rows of a matrix, several to a task where they are short.
template <class Body>
void for_each_row(std::int64_t rows, std::int64_t cols, const Body& body) {
  constexpr std::int64_t kTaskEntries = 16384;
  for_each_block(rows, cols < kTaskEntries ? kTaskEntries / cols : 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r) body(r);
                 });
}

}  // namespace nagare::simd
