#include "kernels/max_pool.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One thread per output element: neighbouring threads hold neighbouring channels, so every access is coalesced.
template <class T>
__global__ void pool(MaxPool p, std::int64_t n, const T* x, T* y, std::uint8_t* at) {
  for_each_index_of_this_thread(n, [=](std::int64_t index) {
    const std::int64_t c = index % p.channels;
    const std::int64_t j = index / p.channels % p.out_width();
    const std::int64_t i = index / p.channels / p.out_width() % p.out_height();
    const T* image =
        x + index / p.channels / p.out_width() / p.out_height() * p.height * p.width * p.channels;
    float best = 0.0F;
    int best_tap = -1;
    for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
      const std::int64_t h = i * p.stride - p.padding + tap / p.kernel;
      const std::int64_t w = j * p.stride - p.padding + tap % p.kernel;
      if (h < 0 || h >= p.height || w < 0 || w >= p.width) continue;
      const float value = load(image + (h * p.width + w) * p.channels + c);
      if (best_tap < 0 || value > best || value != value) {
        best = value;
        best_tap = tap;
      }
    }
    store(y + index, best);
    at[index] = static_cast<std::uint8_t>(best_tap);
  });
}

// One thread per input element gathers from the windows that cover it.
template <class T>
__global__ void pool_backward(MaxPool p, std::int64_t n, const std::uint8_t* at, const T* dy, T* dx) {
  for_each_index_of_this_thread(n, [=](std::int64_t index) {
    const std::int64_t c = index % p.channels;
    const std::int64_t w = index / p.channels % p.width;
    const std::int64_t h = index / p.channels / p.width % p.height;
    const std::int64_t image = index / p.channels / p.width / p.height * p.out_height() * p.out_width();
    float sum = 0.0F;
    for (int u = p.kernel - 1; u >= 0; --u) {  // falling taps: windows in rising order, as on the CPU
      const std::int64_t i = (h + p.padding - u) / p.stride;
      if (h + p.padding < u || i * p.stride != h + p.padding - u || i >= p.out_height()) continue;
      for (int v = p.kernel - 1; v >= 0; --v) {
        const std::int64_t j = (w + p.padding - v) / p.stride;
        if (w + p.padding < v || j * p.stride != w + p.padding - v || j >= p.out_width()) continue;
        const std::int64_t from = (image + i * p.out_width() + j) * p.channels + c;
        if (at[from] == u * p.kernel + v) sum += load(dy + from);
      }
    }
    store(dx + index, sum);
  });
}

__global__ void pixel_index(MaxPool p, std::int64_t n, const std::uint8_t* at, std::int64_t* index) {
  for_each_index_of_this_thread(n, [=](std::int64_t k) {
    const std::int64_t j = k / p.channels % p.out_width();
    const std::int64_t i = k / p.channels / p.out_width() % p.out_height();
    const std::int64_t h = i * p.stride - p.padding + at[k] / p.kernel;
    index[k] = h * p.width + j * p.stride - p.padding + at[k] % p.kernel;
  });
}

std::int64_t outputs(const MaxPool& p) { return p.n * p.out_height() * p.out_width() * p.channels; }

}  // namespace

template <class T>
void max_pool(const MaxPool& p, const T* x, T* y, std::uint8_t* at, Stream stream) {
  p.check();
  const std::int64_t n = outputs(p);
  if (n > 0) launch("max_pool", pool<T>, grid_for(n), kBlock, 0, stream, p, n, x, y, at);
}

template <class T>
void max_pool_backward(const MaxPool& p, const std::uint8_t* at, const T* dy, T* dx, Stream stream) {
  p.check();
  const std::int64_t n = p.n * p.height * p.width * p.channels;
  if (n > 0) launch("max_pool_backward", pool_backward<T>, grid_for(n), kBlock, 0, stream, p, n, at, dy, dx);
}

void max_pool_index(const MaxPool& p, const std::uint8_t* at, std::int64_t* index, Stream stream) {
  p.check();
  const std::int64_t n = outputs(p);
  if (n > 0) launch("max_pool_index", pixel_index, grid_for(n), kBlock, 0, stream, p, n, at, index);
}

template void max_pool(const MaxPool&, const float*, float*, std::uint8_t*, Stream);
template void max_pool(const MaxPool&, const bf16*, bf16*, std::uint8_t*, Stream);
template void max_pool_backward(const MaxPool&, const std::uint8_t*, const float*, float*, Stream);
template void max_pool_backward(const MaxPool&, const std::uint8_t*, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
