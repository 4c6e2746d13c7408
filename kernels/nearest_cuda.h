#pragma once
// The scratch memory of the CUDA twin of `nearest`: one list of candidates per query and segment of the bank.
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include "kernels/nearest.h"

namespace nagare::kernels {

struct NearestLists {
  std::int64_t segments;           // parts of the bank that blocks search side by side
  std::int64_t segment_rows;       // rows of each, a multiple of the tile
  std::int64_t capacity;           // candidates of a list
  unsigned long long* candidates;  // (queries, segments, capacity)
  int* count;                      // (queries, segments); -1: a key is NaN

  std::int64_t bytes(std::int64_t queries) const { return queries * segments * (capacity * 8 + 4); }
};

// Segments for two blocks on each of 132 multiprocessors where there are few queries; each costs a list more.
inline NearestLists nearest_lists(const Nearest& p, void* scratch) {
  constexpr std::int64_t kTileRows = 128;
  constexpr std::int64_t kBlocks = 264;
  const auto up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t wanted =
      std::clamp<std::int64_t>(kBlocks / std::max<std::int64_t>(up(p.queries, kTileRows), 1), 1, 32);
  const std::int64_t tiles = up(up(p.bank, kTileRows), wanted);
  NearestLists lists{.segments = up(up(p.bank, kTileRows), tiles),
                     .segment_rows = tiles * kTileRows,
                     .capacity = p.k + std::max(p.k / 2, 2 * kTileRows),
                     .candidates = static_cast<unsigned long long*>(scratch),
                     .count = nullptr};
  lists.count = reinterpret_cast<int*>(lists.candidates + p.queries * lists.segments * lists.capacity);
  return lists;
}

template <class T>
void check_rounding(const Nearest& p) {
  if (p.through_bf16 && !std::is_same_v<T, float>) {
    throw std::invalid_argument(
        "nearest: through_bf16 with rows of bf16: they are rounded already, need f32");
  }
}

}  // namespace nagare::kernels
