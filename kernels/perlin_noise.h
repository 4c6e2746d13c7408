#pragma once
// What the twins of kernels/perlin.h share: the gradients of a lattice, the noise at a point, the colour of a pixel.
// Integers only, 32 bits wide, and no branch that depends on them: a loop over pixels becomes vector code.
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/perlin.h"
#include "kernels/philox.h"

namespace nagare::kernels {

inline constexpr std::int32_t kPerlinOne = 1 << kPerlinBits;
inline constexpr int kPerlinLattice = kPerlinPeriod * kPerlinPeriod;

// The lattice of octave o repeats after this many points, a power of two.
NAGARE_HOST_DEVICE inline int perlin_period(const PerlinImage& image, int octave) {
  const int period = image.period << octave;
  return period < kPerlinPeriod ? period : kPerlinPeriod;
}

// The gradients of lattice points 16 block .. 16 block + 15 of an octave, one a byte.
NAGARE_HOST_DEVICE inline void perlin_gradients(const PerlinImage& image, int octave, int block,
                                                std::uint8_t* gradients) {
  const RandomKey key{.seed = image.seed,
                      .purpose = Purpose::perlin,
                      .step = image.step,
                      .sample = image.sample,
                      .view = static_cast<std::uint32_t>(octave)};
  const PhiloxBlock random = random_block(key, static_cast<std::uint32_t>(block));
  for (int i = 0; i < 16; ++i) {
    gradients[16 * block + i] = static_cast<std::uint8_t>(random.word[i / 4] >> (8 * (i % 4)));
  }
}

// The gradients at the four corners of cell (column, row), a byte each: one load per pixel fetches them all.
NAGARE_HOST_DEVICE inline std::uint32_t perlin_corners(const std::uint8_t* gradients, int period, int column,
                                                       int row) {
  const int right = (column + 1) & (period - 1);
  const int below = (row + 1) & (period - 1);
  const auto at = [=](int x, int y) { return static_cast<std::uint32_t>(gradients[y * kPerlinPeriod + x]); };
  return at(column, row) | at(right, row) << 8 | at(column, below) << 16 | at(right, below) << 24;
}

// g . (dx, dy) for the gradient that the low three bits of `code` name. Selections by masks, of all ones or none: with
// conditions instead, compilers make branches of them.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_slope(std::uint32_t code, std::int32_t dx,
                                                                 std::int32_t dy) {
  const auto bits = static_cast<std::int32_t>(code);
  const std::int32_t negate_once = -(bits & 1);
  const std::int32_t negate_twice = -((bits >> 1) & 1);
  const std::int32_t turn = -((bits >> 2) & 1) & (dx ^ dy);
  const std::int32_t once = dy ^ turn;         // dx where the third bit is set
  const std::int32_t twice = 2 * (dx ^ turn);  // dy there
  return ((once ^ negate_once) - negate_once) + ((twice ^ negate_twice) - negate_twice);
}

// 6 t^5 - 15 t^4 + 10 t^3 for t in [0, 1].
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_fade(std::int32_t t) {
  const std::int32_t cube = (((t * t) >> kPerlinBits) * t) >> kPerlinBits;
  const std::int32_t factor = ((t * (6 * t - 15 * kPerlinOne)) >> kPerlinBits) + 10 * kPerlinOne;
  return (cube * factor) >> kPerlinBits;
}

// The noise at (dx, dy) of a cell, both in [0, 1).
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_noise(std::uint32_t corners, std::int32_t dx,
                                                                 std::int32_t dy) {
  const std::int32_t across = perlin_fade(dx);
  const std::int32_t down = perlin_fade(dy);
  const std::int32_t a = perlin_slope(corners, dx, dy);
  const std::int32_t b = perlin_slope(corners >> 8, dx - kPerlinOne, dy);
  const std::int32_t c = perlin_slope(corners >> 16, dx, dy - kPerlinOne);
  const std::int32_t d = perlin_slope(corners >> 24, dx - kPerlinOne, dy - kPerlinOne);
  const std::int32_t top = a + (((b - a) * across) >> kPerlinBits);
  const std::int32_t bottom = c + (((d - c) * across) >> kPerlinBits);
  return top + (((bottom - top) * down) >> kPerlinBits);
}

// Octave o's share of the value at a point given in cells of octave 0.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_octave(const std::uint32_t* corners, int octave,
                                                                  std::uint32_t period, std::uint32_t u,
                                                                  std::uint32_t v) {
  u <<= octave;
  v <<= octave;
  const auto column = static_cast<std::int32_t>((u >> kPerlinViewBits) & (period - 1));
  const auto row = static_cast<std::int32_t>((v >> kPerlinViewBits) & (period - 1));
  constexpr int kDropped = kPerlinViewBits - kPerlinBits;
  constexpr std::uint32_t kFraction = static_cast<std::uint32_t>(kPerlinOne) - 1;
  return perlin_noise(corners[row * kPerlinPeriod + column],
                      static_cast<std::int32_t>((u >> kDropped) & kFraction),
                      static_cast<std::int32_t>((v >> kDropped) & kFraction));
}

// f(n) of a PerlinSum as base +- n or base +- |n|; the same for all pixels of an image.
struct PerlinFold {
  std::int32_t absolute;  // all ones: |n|
  std::int32_t negate;    // all ones: minus
  std::int32_t base;
};

NAGARE_HOST_DEVICE inline PerlinFold perlin_fold(PerlinSum sum) {
  const bool ridged = sum == PerlinSum::ridged;
  return {sum == PerlinSum::sum ? 0 : -1, ridged ? -1 : 0, ridged ? kPerlinOne : 0};
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_term(const PerlinFold& fold,
                                                                std::int32_t amplitude, std::int32_t noise) {
  const std::int32_t below = (noise >> 31) & fold.absolute;
  const std::int32_t folded = (noise ^ below) - below;
  return (amplitude * (fold.base + ((folded ^ fold.negate) - fold.negate))) >> kPerlinBits;
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::int32_t perlin_shade(std::int32_t gain, std::int32_t offset,
                                                                 bool fold, std::int32_t value) {
  const std::int32_t shade = ((value * gain) >> kPerlinViewBits) + offset;
  const std::int32_t turn = shade & 511;
  const std::int32_t mirrored = turn < 256 ? turn : 511 - turn;
  const std::int32_t raised = shade < 0 ? 0 : shade;
  const std::int32_t clipped = raised > 255 ? 255 : raised;
  return fold ? mirrored : clipped;
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE std::uint8_t perlin_channel(std::int32_t low, std::int32_t high,
                                                                   std::int32_t shade) {
  return static_cast<std::uint8_t>(low + (high - low) * shade / 255);
}

}  // namespace nagare::kernels
