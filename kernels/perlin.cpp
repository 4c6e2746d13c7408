#include "kernels/perlin.h"

#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/perlin_noise.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void Perlin::check() const {
  if (count >= 0 && size >= 1 && size <= 4096) return;
  throw std::invalid_argument("perlin: " + std::to_string(count) + " images of size " + std::to_string(size) +
                              ", need no negative count and size 1 to 4096");
}

namespace cpu {
namespace {

// The corners' gradients of every cell of every octave.
struct Lattices {
  std::uint32_t corners[kPerlinOctaves][kPerlinLattice];
};

void fill(const PerlinImage& image, Lattices& lattices) {
  for (int o = 0; o < image.octaves; ++o) {
    std::uint8_t gradients[kPerlinLattice];
    for (int block = 0; block < kPerlinLattice / 16; ++block) perlin_gradients(image, o, block, gradients);
    const int period = perlin_period(image, o);
    for (int row = 0; row < period; ++row) {
      for (int column = 0; column < period; ++column) {
        lattices.corners[o][row * kPerlinPeriod + column] = perlin_corners(gradients, period, column, row);
      }
    }
  }
}

// What one octave adds to a row of values. The row begins at lattice point (u, v), a pixel further is (du, dv).
struct OctaveRow {
  const std::uint32_t* corners;
  int octave;
  std::uint32_t period;
  PerlinFold fold;
  std::int32_t amplitude;
  std::uint32_t u, v, du, dv;
};

NAGARE_SIMD void add_octave(int n, const OctaveRow& row, std::int32_t* values) {
  const OctaveRow r = row;  // a copy that the stores below cannot change
#pragma GCC ivdep           // nor do they change the gradients
  for (int i = 0; i < n; ++i) {
    const auto x = static_cast<std::uint32_t>(i);
    const std::int32_t noise = perlin_octave(r.corners, r.octave, r.period, r.u + r.du * x, r.v + r.dv * x);
    values[i] += perlin_term(r.fold, r.amplitude, noise);
  }
}

NAGARE_SIMD void colour_row(std::int64_t n, const PerlinImage& image, std::int32_t* values,
                            std::uint8_t* pixels) {
  const std::int32_t gain = image.gain;
  const std::int32_t offset = image.offset;
  const bool fold = image.fold;
  for (std::int64_t i = 0; i < n; ++i) values[i] = perlin_shade(gain, offset, fold, values[i]);
  const std::int32_t low[3] = {image.low[0], image.low[1], image.low[2]};
  const std::int32_t high[3] = {image.high[0], image.high[1], image.high[2]};
  for (std::int64_t i = 0; i < n; ++i) {
    pixels[3 * i] = perlin_channel(low[0], high[0], values[i]);
    pixels[3 * i + 1] = perlin_channel(low[1], high[1], values[i]);
    pixels[3 * i + 2] = perlin_channel(low[2], high[2], values[i]);
  }
}

void draw_image(const PerlinImage& image, std::int64_t size, std::uint8_t* pixels) {
  constexpr std::int64_t kRow = 512;  // pixels at a time
  Lattices lattices;
  fill(image, lattices);
  const std::uint32_t* view = image.view;
  for (std::int64_t y = 0; y < size; ++y) {
    for (std::int64_t begin = 0; begin < size; begin += kRow) {
      const std::int64_t n = begin + kRow < size ? kRow : size - begin;
      std::int32_t values[kRow] = {};
      const auto column = static_cast<std::uint32_t>(begin);
      const auto row = static_cast<std::uint32_t>(y);
      for (int o = 0; o < image.octaves; ++o) {
        add_octave(static_cast<int>(n),
                   {.corners = lattices.corners[o],
                    .octave = o,
                    .period = static_cast<std::uint32_t>(perlin_period(image, o)),
                    .fold = perlin_fold(image.sum),
                    .amplitude = image.amplitude[o],
                    .u = view[0] * column + view[1] * row + view[2],
                    .v = view[3] * column + view[4] * row + view[5],
                    .du = view[0],
                    .dv = view[3]},
                   values);
      }
      colour_row(n, image, values, pixels + 3 * (y * size + begin));
    }
  }
}

}  // namespace

void perlin(const Perlin& p, const PerlinImage* images, std::uint8_t* pixels, Stream) {
  p.check();
  parallel_for(p.count,
               [=](std::int64_t n) { draw_image(images[n], p.size, pixels + n * p.size * p.size * 3); });
}

}  // namespace cpu
}  // namespace nagare::kernels
