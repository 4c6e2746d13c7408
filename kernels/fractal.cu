#include "kernels/fractal.h"

#include "kernels/fractal_walk.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One block per image, its walkers spread over the threads. Hits are integer additions, so their order does
// not matter.
__global__ void draw_fractal(Fractal p, const FractalImage* images, std::uint32_t* scratch,
                             std::uint8_t* pixels) {
  const std::int64_t area = p.size * p.size;
  for (std::int64_t n = blockIdx.x; n < p.count; n += gridDim.x) {
    const FractalImage& image = images[n];
    std::uint32_t* cells = scratch + n * area * 2;  // hits, shades
    for (std::int64_t i = threadIdx.x; i < area * 2; i += blockDim.x) cells[i] = 0;
    __syncthreads();
    for (std::int64_t walker = threadIdx.x; walker < p.walkers; walker += blockDim.x) {
      walk_fractal(p, image, static_cast<std::uint32_t>(walker),
                   [=](std::int64_t pixel, std::uint32_t shade) {
                     atomicAdd(cells + 2 * pixel, 1U);
                     atomicAdd(cells + 2 * pixel + 1, shade);
                   });
    }
    __syncthreads();
    std::uint8_t* out = pixels + n * area * 3;
    for (std::int64_t i = threadIdx.x; i < area; i += blockDim.x) {
      for (int c = 0; c < 3; ++c)
        out[3 * i + c] = fractal_channel(p, image, c, cells[2 * i], cells[2 * i + 1]);
    }
  }
}

}  // namespace

void fractal(const Fractal& p, const FractalImage* images, std::uint32_t* scratch, std::uint8_t* pixels,
             Stream stream) {
  p.check();
  if (p.count == 0) return;
  launch("fractal", draw_fractal, grid_for(p.count, 1), kBlock, 0, stream, p, images, scratch, pixels);
}

}  // namespace nagare::kernels::cuda
