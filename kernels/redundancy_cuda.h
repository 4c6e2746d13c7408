#pragma once
// The scratch memory of the CUDA twin of `redundancy`.
#include <algorithm>
#include <cstdint>

#include "kernels/redundancy.h"

namespace nagare::kernels {

// Changed rows that a slot hears of before its list is rather made anew.
inline constexpr int kOffers = 32;

struct RedundancySpace {
  unsigned long long* offers;  // (slots, kOffers) similarity and row, in any order
  RedundancyLists partial;     // of every scanned row in every segment of the slots; no norm
  float* redundancy;           // (slots) for evict
  int* is_changed;             // (slots)
  int* offer_count;            // (slots)
  int* rows;                   // (slots) to scan
  int* row_count;              // [2] how many: that changed, that lost all their partners
  std::int64_t bytes;
};

// Parts of the slots that blocks scan side by side, for at most `rows` rows: two blocks on each of 132 multiprocessors.
inline std::int64_t redundancy_segments(const Redundancy& p, std::int64_t rows) {
  constexpr std::int64_t kTileRows = 128;
  constexpr std::int64_t kBlocks = 264;
  const std::int64_t row_tiles = std::max<std::int64_t>((rows + kTileRows - 1) / kTileRows, 1);
  const std::int64_t tiles = (p.slots + kTileRows - 1) / kTileRows;
  const std::int64_t wanted =
      std::clamp<std::int64_t>(kBlocks / row_tiles, std::min<std::int64_t>(tiles, 8), tiles);
  const std::int64_t each = (tiles + wanted - 1) / wanted;
  return (tiles + each - 1) / each;
}

inline RedundancySpace redundancy_space(const Redundancy& p, void* scratch) {
  constexpr std::int64_t kTileRows = 128;
  constexpr std::int64_t kBlocks = 264;
  // rows x segments is at most this, whatever the rows are.
  const std::int64_t partial = std::max(8 * p.slots, (kBlocks + 1) * kTileRows) + kTileRows;
  auto* base = static_cast<char*>(scratch);
  std::int64_t used = 0;
  const auto take = [&]<class T>(T*& part, std::int64_t count) {
    part = reinterpret_cast<T*>(base == nullptr ? nullptr : base + used);
    used += (count * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16;
  };
  RedundancySpace space{};
  take(space.offers, p.slots * kOffers);
  take(space.partial.similarity, partial * kPartners);
  take(space.partial.partner, partial * kPartners);
  take(space.partial.floor, partial);
  take(space.redundancy, p.slots);
  take(space.is_changed, p.slots);
  take(space.offer_count, p.slots);
  take(space.rows, p.slots);
  take(space.row_count, 2);
  space.bytes = used;
  return space;
}

}  // namespace nagare::kernels
