#pragma once
// What the twins of kernels/fractal.h share: one walker's path, and the colour of a pixel. Integers only.
#include <cstdint>

#include "kernels/fractal.h"
#include "kernels/host_device.h"
#include "kernels/philox.h"

namespace nagare::kernels {

// hit(pixel index, shade) for every hit of walker `walker` that falls inside the picture.
template <class Hit>
NAGARE_HOST_DEVICE void walk_fractal(const Fractal& p, const FractalImage& image, std::uint32_t walker,
                                     const Hit& hit) {
  Philox random({.seed = image.seed,
                 .purpose = Purpose::fractal,
                 .step = image.step,
                 .sample = image.sample,
                 .view = walker});
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::uint32_t shade = 128;
  for (std::int64_t i = -kFractalSettle; i < p.steps; ++i) {
    const std::uint32_t drawn = random.next();
    int m = 0;
    while (drawn > image.maps[m].upto) ++m;
    const FractalMap& map = image.maps[m];
    const std::int64_t moved = ((map.a * x + map.b * y) >> kFractalBits) + map.e;
    y = ((map.c * x + map.d * y) >> kFractalBits) + map.f;
    x = moved;
    shade = (shade + map.shade) / 2;
    if (i < 0) continue;
    const std::int64_t column =
        (((image.view[0] * x + image.view[1] * y) >> kFractalBits) + image.view[2]) >> kFractalBits;
    const std::int64_t row =
        (((image.view[3] * x + image.view[4] * y) >> kFractalBits) + image.view[5]) >> kFractalBits;
    if (column >= 0 && column < p.size && row >= 0 && row < p.size) hit(row * p.size + column, shade);
  }
}

// One channel of a pixel that was hit `hits` times with shades adding up to `shades`.
NAGARE_HOST_DEVICE inline std::uint8_t fractal_channel(const Fractal& p, const FractalImage& image,
                                                       int channel, std::uint32_t hits,
                                                       std::uint32_t shades) {
  const std::int64_t background = image.background[channel];
  if (hits == 0) return static_cast<std::uint8_t>(background);
  const std::int64_t low = image.low[channel];
  const std::int64_t shade = shades / hits;  // 0 to 255
  const std::int64_t figure = low + (image.high[channel] - low) * shade / 255;
  const std::int64_t weighted = static_cast<std::int64_t>(hits) * (figure - background);
  return static_cast<std::uint8_t>(background + weighted / (static_cast<std::int64_t>(hits) + p.half));
}

}  // namespace nagare::kernels
