#pragma once
// Pictures of iterated function systems, drawn by the chaos game.
//
//   x <- A_i x + t_i,   map i drawn with probability p_i;   after `kFractalSettle` steps every x is one hit
//   w = hits / (hits + half)      how much of the figure's colour a pixel shows
//   pixel = background + w * (low + shade * (high - low) - background),   shade: mean over the pixel's hits
//
// A hit's shade is the running mean of the shades of the maps that led to it, so that parts of the figure
// differ in colour as they differ in address.
//
// Every image is walked by `walkers` walkers of `steps` hits; walker k of an image draws from Philox(seed,
// fractal, step, sample, view = k). All arithmetic is integer (coordinates and coefficients are multiples of
// 2^-20), and hits are only added up, so that twins and any number of threads give the same bytes.
//
// images   descriptions, `count` of them, in the memory of the twin's device
// scratch  u32 (count, size, size, 2), overwritten
// pixels   u8 (count, size, size, 3)
// range    |coefficients| and |translations| below 2; maps must contract, else coordinates overflow
// errors   std::invalid_argument for sizes out of range
// source   Hutchinson, 1981; Barnsley and Demko, 1985; data sets of them: Kataoka et al., ACCV 2020
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::kernels {

inline constexpr int kFractalMaps = 8;     // at most
inline constexpr int kFractalSettle = 20;  // steps before the first hit: a walker starts off the attractor
inline constexpr int kFractalBits = 20;    // of fixed-point fractions

struct FractalMap {
  std::int32_t a, b, c, d;  // A, row-major, fixed point
  std::int32_t e, f;        // t
  std::uint32_t
      upto;  // drawn when a 32-bit draw is <= upto: cumulative probability, the last map's is 2^32 - 1
  std::uint32_t shade;  // 0 to 255
};

struct FractalImage {
  FractalMap maps[kFractalMaps];
  std::int64_t view[6];  // plane to pixels: column = v0 x + v1 y + v2, row = v3 x + v4 y + v5; fixed point
  std::uint64_t seed;    // of its walkers
  std::uint32_t step;
  std::uint32_t sample;
  std::uint8_t background[3], low[3], high[3];
};

struct Fractal {
  std::int64_t count;    // images
  std::int64_t size;     // pixels on a side, 1 to 4096
  std::int64_t walkers;  // per image, 1 to 2^20
  std::int64_t steps;    // hits per walker, 1 to 2^20
  std::uint32_t half;    // hits at which a pixel shows half of the figure's colour, 1 to 2^16

  void check() const;
};

namespace cpu {
void fractal(const Fractal& p, const FractalImage* images, std::uint32_t* scratch, std::uint8_t* pixels,
             Stream stream);
}  // namespace cpu

namespace cuda {
void fractal(const Fractal& p, const FractalImage* images, std::uint32_t* scratch, std::uint8_t* pixels,
             Stream stream);
}  // namespace cuda

}  // namespace nagare::kernels
