#pragma once
// Iterated function systems in the plane: how a class and its instances are drawn for ssl/data/fractal.h.
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/fractal.h"

namespace nagare::ssl {

struct AffineMap {
  std::array<double, 4> a;  // row-major
  std::array<double, 2> t;
};
using FractalSystem = std::vector<AffineMap>;

// The largest singular value: below 1 the map contracts.
double contraction(const AffineMap& map);

// The share of a 32 x 32 grid over the attractor's bounding square that 2048 points of it touch.
double filling_rate(const FractalSystem& system, std::uint64_t seed);

// The system of class `index`: the first accepted one of its series of draws.
FractalSystem fractal_class(std::uint64_t seed, std::uint32_t index);

// Instance `instance` of that class, ready to be drawn at `size` pixels.
kernels::FractalImage fractal_instance(const FractalSystem& system, std::uint64_t seed, std::uint32_t index,
                                       std::uint32_t instance, std::int64_t size);

}  // namespace nagare::ssl
