#include "kernels/fractal.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/fractal_walk.h"
#include "kernels/parallel.h"

namespace nagare::kernels {

void Fractal::check() const {
  constexpr std::int64_t kMost = 1 << 20;
  const bool good = count >= 0 && size >= 1 && size <= 4096 && walkers >= 1 && walkers <= kMost &&
                    steps >= 1 && steps <= kMost && walkers * steps <= (std::int64_t{1} << 24) && half >= 1 &&
                    half <= 65536;
  if (!good) {
    throw std::invalid_argument("fractal: " + std::to_string(count) + " images of size " +
                                std::to_string(size) + ", " + std::to_string(walkers) + " walkers, " +
                                std::to_string(steps) + " steps, half " + std::to_string(half) +
                                ": need size 1 to 4096, walkers * steps 1 to 2^24, half 1 to 65536");
  }
}

void cpu::fractal(const Fractal& p, const FractalImage* images, std::uint32_t* scratch, std::uint8_t* pixels,
                  Stream) {
  p.check();
  const std::int64_t area = p.size * p.size;
  parallel_for(p.count, [=](std::int64_t n) {
    const FractalImage& image = images[n];
    std::uint32_t* cells = scratch + n * area * 2;  // hits, shades
    std::fill(cells, cells + area * 2, 0U);
    for (std::int64_t walker = 0; walker < p.walkers; ++walker) {
      walk_fractal(p, image, static_cast<std::uint32_t>(walker),
                   [=](std::int64_t pixel, std::uint32_t shade) {
                     cells[2 * pixel] += 1;
                     cells[2 * pixel + 1] += shade;
                   });
    }
    std::uint8_t* out = pixels + n * area * 3;
    for (std::int64_t i = 0; i < area; ++i) {
      for (int c = 0; c < 3; ++c)
        out[3 * i + c] = fractal_channel(p, image, c, cells[2 * i], cells[2 * i + 1]);
    }
  });
}

}  // namespace nagare::kernels
