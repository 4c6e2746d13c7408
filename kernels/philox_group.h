#pragma once
// Many of Philox's blocks side by side, for CPU code that fills arrays: each of its operations is a few vector
// instructions, and of several vectors, as the ten rounds of one depend on each other.
//
//   word[w][b] of draw_group(key, first) is word w of random_block(key, first + b): draw 4 (first + b) + w of the stream
#include "kernels/philox.h"
#include "kernels/simd.h"

namespace nagare {

struct PhiloxGroup {
  static constexpr int kBlocks = 64;
  static constexpr int kDraws = 4 * kBlocks;

  std::uint32_t word[4][kBlocks];
};

NAGARE_INLINE void draw_group(const RandomKey& key, std::uint32_t first_block, PhiloxGroup& g) {
  const std::uint32_t first = (static_cast<std::uint32_t>(key.purpose) << 24) + first_block;
  for (int b = 0; b < PhiloxGroup::kBlocks; ++b) {
    g.word[0][b] = first + static_cast<std::uint32_t>(b);
    g.word[1][b] = key.step;
    g.word[2][b] = key.sample;
    g.word[3][b] = key.view;
  }
  auto k0 = static_cast<std::uint32_t>(key.seed);
  auto k1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int b = 0; b < PhiloxGroup::kBlocks; ++b) {
      philox_round(g.word[0][b], g.word[1][b], g.word[2][b], g.word[3][b], k0, k1);
    }
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
}

}  // namespace nagare
