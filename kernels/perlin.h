#pragma once
// Images of Perlin's gradient noise in several octaves.
//
//   noise       at a point between lattice points: each of the four corners has a gradient g, its value there is
//               g . (point - corner), and the four are blended by the fade 6 t^5 - 15 t^4 + 10 t^3 along each axis
//   value       sum_o amplitude[o] f(noise of octave o), whose lattice is 2^o times as fine;
//               f(n) = n (sum), |n| (turbulence) or 1 - |n| (ridged)
//   shade       gain * value + offset, clipped to 0 .. 255; or, with `fold`, mirrored there and at every 256 beyond
//   pixel       low + (high - low) shade / 255
//
// The lattice repeats after 32 points; a gradient is one of (+-1, +-2), (+-2, +-1): equally long, none along an axis or
// a diagonal. Those of octave o come from Philox(seed, perlin, step, sample, view = o), one byte of a draw each, in
// row-major order. All arithmetic is integer: twins and any number of threads give the same bytes.
//
// images   descriptions, `count` of them, in the memory of the twin's device
// pixels   u8 (count, size, size, 3)
// tiles    where `view` is diagonal and lays period cells over the picture's size exactly, left and right edge
//          fit together, and so do top and bottom
// errors   std::invalid_argument for sizes out of range; a description's contents are the caller's promise
// source   Perlin, Improving Noise, SIGGRAPH 2002; the gradients: Gustavson, Simplex noise demystified, 2005
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::kernels {

inline constexpr int kPerlinOctaves = 6;    // at most
inline constexpr int kPerlinPeriod = 32;    // lattice points a side before the pattern repeats
inline constexpr int kPerlinBits = 12;      // of noise, amplitudes and values: 1 is 4096
inline constexpr int kPerlinViewBits = 16;  // of `view`: a cell is 65,536

enum class PerlinSum : std::uint8_t { sum, turbulence, ridged };

struct PerlinImage {
  // Pixel to lattice, in cells of octave 0, modulo 2^16: column v0 x + v1 y + v2, row v3 x + v4 y + v5; fixed point.
  std::uint32_t view[6];
  std::int32_t amplitude[kPerlinOctaves];  // 0 to 4096, fixed point
  std::int32_t octaves;                    // 1 to kPerlinOctaves
  std::int32_t period;                     // cells of octave 0 after which it repeats: 1, 2, 4 .. 32
  std::int32_t gain;                       // shades per 16 of value, |gain| <= 32,767
  std::int32_t offset;                     // |offset| <= 2^20
  PerlinSum sum;
  bool fold;
  std::uint8_t low[3], high[3];
  std::uint64_t seed;  // of its gradients
  std::uint32_t step;
  std::uint32_t sample;
};

struct Perlin {
  std::int64_t count;  // images
  std::int64_t size;   // pixels on a side, 1 to 4096

  void check() const;
};

namespace cpu {
void perlin(const Perlin& p, const PerlinImage* images, std::uint8_t* pixels, Stream stream);
}  // namespace cpu

namespace cuda {
void perlin(const Perlin& p, const PerlinImage* images, std::uint8_t* pixels, Stream stream);
}  // namespace cuda

}  // namespace nagare::kernels
