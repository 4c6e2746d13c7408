#include "kernels/perlin.h"

#include "kernels/perlin_noise.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One block per image. Its gradients are drawn once, then every cell's four are packed into one word of shared memory,
// so that a pixel costs one load per octave. Four neighbouring pixels, twelve bytes, belong to one thread: a warp's
// stores are 384 bytes in a row.
__global__ void draw_perlin(Perlin p, const PerlinImage* images, std::uint8_t* pixels) {
  NAGARE_SHARED(std::uint8_t, gradients, [kPerlinLattice]);
  NAGARE_SHARED(std::uint32_t, corners, [kPerlinOctaves * kPerlinLattice]);
  const std::int64_t area = p.size * p.size;
  for (std::int64_t n = blockIdx.x; n < p.count; n += gridDim.x) {
    const PerlinImage& image = images[n];
    for (int o = 0; o < image.octaves; ++o) {
      const int period = perlin_period(image, o);
      __syncthreads();  // the octave or image before has been read by all
      for (int b = static_cast<int>(threadIdx.x); b < kPerlinLattice / 16; b += kBlock) {
        perlin_gradients(image, o, b, gradients);
      }
      __syncthreads();
      for (int i = static_cast<int>(threadIdx.x); i < kPerlinLattice; i += kBlock) {
        const int column = i % kPerlinPeriod;
        const int row = i / kPerlinPeriod;
        if (column >= period || row >= period) continue;
        corners[o * kPerlinLattice + i] = perlin_corners(gradients, period, column, row);
      }
    }
    __syncthreads();
    const PerlinFold fold = perlin_fold(image.sum);
    std::uint8_t* out = pixels + n * area * 3;
    const bool aligned = reinterpret_cast<std::uintptr_t>(out) % 4 == 0;
    for (std::int64_t begin = 4 * static_cast<std::int64_t>(threadIdx.x); begin < area; begin += 4 * kBlock) {
      alignas(4) std::uint8_t bytes[12];
      for (int k = 0; k < 4; ++k) {
        const std::int64_t i = begin + k;
        const auto x = static_cast<std::uint32_t>(i % p.size);
        const auto y = static_cast<std::uint32_t>(i / p.size);
        const std::uint32_t u = image.view[0] * x + image.view[1] * y + image.view[2];
        const std::uint32_t v = image.view[3] * x + image.view[4] * y + image.view[5];
        std::int32_t value = 0;
        for (int o = 0; o < image.octaves; ++o) {
          const std::int32_t noise = perlin_octave(corners + o * kPerlinLattice, o,
                                                   static_cast<std::uint32_t>(perlin_period(image, o)), u, v);
          value += perlin_term(fold, image.amplitude[o], noise);
        }
        const std::int32_t shade = perlin_shade(image.gain, image.offset, image.fold, value);
        for (int c = 0; c < 3; ++c) bytes[3 * k + c] = perlin_channel(image.low[c], image.high[c], shade);
      }
      if (aligned && begin + 4 <= area) {
        for (int w = 0; w < 3; ++w) {
          reinterpret_cast<std::uint32_t*>(out + 3 * begin)[w] =
              reinterpret_cast<const std::uint32_t*>(bytes)[w];
        }
        continue;
      }
      for (int b = 0; b < 12 && 3 * begin + b < 3 * area; ++b) out[3 * begin + b] = bytes[b];
    }
  }
}

}  // namespace

void perlin(const Perlin& p, const PerlinImage* images, std::uint8_t* pixels, Stream stream) {
  p.check();
  if (p.count == 0) return;
  launch("perlin", draw_perlin, grid_for(p.count, 1), kBlock, 0, stream, p, images, pixels);
}

}  // namespace nagare::kernels::cuda
