#pragma once
// Philox4x32-10: random numbers as a pure function of a counter and a key. Every draw in nagare comes from here.
//
//   key      the run's 64-bit seed
//   counter  (block of 4 draws | purpose << 24, step, sample, view)
//
// The same numbers on every device, for any number of threads, in any order; nothing to save in a checkpoint.
// uniform()  f32 in [0, 1), a multiple of 2^-24
// limits     2^24 blocks (67 million draws) per stream
// source     Salmon et al., SC 2011; golden values of its Random123 distribution
#include <cstdint>

#include "kernels/host_device.h"

namespace nagare {

// What a random stream is for; part of the counter, so that two uses never share numbers. Append only.
enum class Purpose : std::uint32_t {
  init = 1,
  augment = 2,
  stream_order = 3,
  buffer = 4,
  dropout = 5,
  fractal = 6,
  subset = 7,
  synthetic = 8,
  perlin = 9,
  gallery = 10,
  mixup = 11,
  evaluation = 12,
  exemplars = 13,
};

struct PhiloxBlock {
  std::uint32_t word[4];
};

// What the two halves of the key grow by from round to round.
inline constexpr std::uint32_t kPhiloxWeyl0 = 0x9E3779B9U;
inline constexpr std::uint32_t kPhiloxWeyl1 = 0xBB67AE85U;

// One round on the counter c0 .. c3: on single words, so that a loop over many counters becomes vector code.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE void philox_round(std::uint32_t& c0, std::uint32_t& c1,
                                                         std::uint32_t& c2, std::uint32_t& c3,
                                                         std::uint32_t k0, std::uint32_t k1) {
  const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53U) * c0;
  const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57U) * c2;
  c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
  c1 = static_cast<std::uint32_t>(p1);
  c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
  c3 = static_cast<std::uint32_t>(p0);
}

NAGARE_HOST_DEVICE inline PhiloxBlock philox4x32(PhiloxBlock counter, std::uint64_t key) {
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    philox_round(counter.word[0], counter.word[1], counter.word[2], counter.word[3], k0, k1);
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
  return counter;
}

// Which stream of numbers: named fields, because four adjacent integers invite a swap.
struct RandomKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::init;
  std::uint32_t step = 0;
  std::uint32_t sample = 0;
  std::uint32_t view = 0;
};

// Block `block` of four draws of a stream, and a draw as f32 in [0, 1): for code that needs draw i without i - 1
// others.
NAGARE_HOST_DEVICE inline PhiloxBlock random_block(const RandomKey& key, std::uint32_t block) {
  return philox4x32(
      {{(static_cast<std::uint32_t>(key.purpose) << 24) + block, key.step, key.sample, key.view}}, key.seed);
}
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float unit_float(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

class Philox {
 public:
  NAGARE_HOST_DEVICE explicit Philox(const RandomKey& key)
      : seed_(key.seed),
        counter_{{static_cast<std::uint32_t>(key.purpose) << 24, key.step, key.sample, key.view}} {}

  NAGARE_HOST_DEVICE std::uint32_t next() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, seed_);
      ++counter_.word[0];
      used_ = 0;
    }
    return block_.word[used_++];
  }

  // f32 in [0, 1).
  NAGARE_HOST_DEVICE float uniform() { return unit_float(next()); }
  // f32 in [low, high).
  NAGARE_HOST_DEVICE float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // Integer in [0, n), n >= 1, by the high half of a product: bias below n / 2^32.
  NAGARE_HOST_DEVICE std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(next()) * n) >> 32);
  }

 private:
  std::uint64_t seed_;
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  int used_ = 4;
};

}  // namespace nagare
