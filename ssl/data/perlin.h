#pragma once
// Pictures of gradient noise: a labelled image set made from formulas, with no download, and of textures where the
// fractals are of figures.
//
// class     how octaves are summed (sum, turbulence, ridged), whether shades fold into bands, the frequency, how much the
//           pattern is stretched, the number of octaves and how fast they fade, the contrast
// instance  gradients of its own, the frequency, stretch and contrast a little off, moved anywhere and turned a little,
//           in grey tones with a tint: colour says nothing about the class
// images    a pure function of the spec: the same bytes on every device and for any number of threads
// source    Perlin, Improving Noise, SIGGRAPH 2002; data sets of it: Baradad et al., Learning to See by Looking at Noise,
//           NeurIPS 2021
#include "kernels/perlin.h"
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

// What all pictures of a class have in common.
struct PerlinClass {
  kernels::PerlinSum sum;
  bool fold;
  std::int32_t octaves;
  double cells;        // of octave 0 across the picture
  double stretch;      // along the picture's lines, >= 1
  double angle;        // of the stretch, radians
  double persistence;  // an octave's amplitude over that of the one before
  double contrast;
};

PerlinClass perlin_class(std::uint64_t seed, std::uint32_t index);
// Instance `instance` of that class, ready to be drawn at `size` pixels.
kernels::PerlinImage perlin_instance(const PerlinClass& of, std::uint64_t seed, std::uint32_t index,
                                     std::uint32_t instance, std::int64_t size);

Dataset load_perlin(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
