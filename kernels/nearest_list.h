#pragma once
// The candidates of one query while the CPU twin of `nearest` streams the bank past it: what is above a threshold that
// rises, in order of arrival. CPU code; include it in one source file only.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

using Integers = std::int32_t __attribute__((vector_size(64)));
using Bytes = std::int8_t __attribute__((vector_size(16)));

// Integers that are in the order of the floats they stand for; -0 counts as 0.
NAGARE_INLINE std::int32_t sortable(float value) {
  const float plain = value + 0.0F;
  std::int32_t bits = 0;
  std::memcpy(&bits, &plain, sizeof bits);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}
NAGARE_INLINE float value_of(std::int32_t key) {
  const std::int32_t bits = key ^ ((key >> 31) & 0x7fffffff);
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct CandidateList {
  std::int32_t* keys = nullptr;  // sortable(), `capacity` of them; so are rows, whose numbers rise
  std::int32_t* rows = nullptr;
  std::int32_t count = 0;
  std::int32_t capacity = 0;
  std::int32_t limit = 0;  // compact() before the count goes beyond it; at most capacity
  std::int32_t k = 0;
  float margin = 0.0F;    // keep what is at most this far below the k-th largest; with 0, k candidates
  float threshold = NAN;  // what is not above it is refused; nothing is refused by NaN
  bool has_nan = false;
  bool overflow = false;  // with a margin: more candidates than the list can hold
};

// Candidates that may come in before the list is compacted: compacting costs all of its length.
constexpr std::int32_t growth_for(std::int32_t k) { return k / 2 < 256 ? 256 : k / 2; }

NAGARE_SIMD std::int32_t count_above(const std::int32_t* keys, std::int32_t count, std::int32_t value) {
  Integers sums{};
  std::int32_t i = 0;
  for (; i + 16 <= count; i += 16) {
    Integers v;
    std::memcpy(&v, keys + i, sizeof v);
    sums -= v > value;
  }
  std::int32_t sum = 0;
  for (int lane = 0; lane < 16; ++lane) sum += sums[lane];
  for (; i < count; ++i) sum += keys[i] > value ? 1 : 0;
  return sum;
}

// The k-th largest of `count` keys, bit by bit from the top.
std::int32_t kth_largest(const std::int32_t* keys, std::int32_t count, std::int32_t k) {
  std::int64_t found = std::numeric_limits<std::int32_t>::min();
  for (int bit = 31; bit >= 0; --bit) {
    const std::int64_t trial = found + (std::int64_t{1} << bit);
    if (count_above(keys, count, static_cast<std::int32_t>(trial - 1)) >= k) found = trial;
  }
  return static_cast<std::int32_t>(found);
}

// Keeps the first `ties` candidates with the key `edge`, and all above it.
void keep(CandidateList& list, std::int32_t edge, std::int32_t ties) {
  std::int32_t kept = 0;
  for (std::int32_t i = 0; i < list.count; ++i) {
    const std::int32_t key = list.keys[i];
    const bool tied = key == edge && ties > 0;
    ties -= tied ? 1 : 0;
    list.keys[kept] = key;
    list.rows[kept] = list.rows[i];
    kept += key > edge || tied ? 1 : 0;
  }
  list.count = kept;
}

// Drops what cannot be among the k nearest any more, and raises the threshold.
void compact(CandidateList& list) {
  if (list.overflow) {
    list.count = 0;
    return;
  }
  if (list.count < list.k) return;
  const std::int32_t kth = kth_largest(list.keys, list.count, list.k);
  if (list.margin == 0.0F) {
    keep(list, kth, list.k - count_above(list.keys, list.count, kth));
    list.threshold = value_of(kth);
    return;
  }
  list.threshold = std::nextafter(value_of(kth) - list.margin, -INFINITY);
  keep(list, sortable(list.threshold), 0);
  const std::int32_t growth = growth_for(list.k);
  list.limit = list.capacity - list.count < growth ? list.capacity : list.count + growth;
  if (list.limit < list.count + growth / 4) {
    list.overflow = true;
    list.count = 0;
    list.threshold = INFINITY;
  }
}

// Whether all of a comparison's lanes hold; `bytes`: 0xff for each lane that does.
NAGARE_INLINE bool all_of(const Integers& lanes, std::uint64_t (&bytes)[2]) {
  const Bytes narrow = __builtin_convertvector(lanes, Bytes);
  std::memcpy(bytes, &narrow, sizeof bytes);
  return (bytes[0] & bytes[1]) == ~std::uint64_t{0};
}

NAGARE_INLINE void append(CandidateList& list, float key, std::int32_t row) {
  const std::int32_t at = list.count++;
  list.has_nan = list.has_nan || std::isnan(key);
  list.keys[at] = sortable(key);
  list.rows[at] = row;
}

// Offers keys products[c] - penalty[c] of the bank's rows first + c, c in [0, cols). penalty may be null.
NAGARE_SIMD void offer(CandidateList& list, const float* products, const float* penalty, std::int32_t cols,
                       std::int32_t first) {
  std::int32_t c = 0;
  for (; c + simd::kLanes <= cols; c += simd::kLanes) {
    simd::Vector key;
    simd::load(products + c, key);
    if (penalty != nullptr) {
      simd::Vector p;
      simd::load(penalty + c, p);
      key -= p;
    }
    std::uint64_t refused[2];
    if (all_of(key <= list.threshold, refused)) continue;
    if (list.count + simd::kLanes > list.limit) compact(list);
    for (int half = 0; half < 2; ++half) {
      for (std::uint64_t open = ~refused[half]; open != 0;) {
        const int byte = __builtin_ctzll(open) / 8;
        open &= ~(std::uint64_t{0xff} << (8 * byte));
        const std::int32_t at = c + 8 * half + byte;
        append(list, penalty == nullptr ? products[at] : products[at] - penalty[at], first + at);
      }
    }
  }
  for (; c < cols; ++c) {
    const float key = penalty == nullptr ? products[c] : products[c] - penalty[c];
    if (key <= list.threshold) continue;
    if (list.count == list.limit) compact(list);
    append(list, key, first + c);
  }
}

}  // namespace
}  // namespace nagare::kernels::cpu
