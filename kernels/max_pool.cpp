#include "kernels/max_pool.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void MaxPool::check() const {
  const bool good_window =
      kernel >= 1 && kernel <= 15 && stride >= 1 && padding >= 0 && padding <= kernel / 2;
  const bool good_image = n >= 0 && channels >= 0 && height + 2 * padding >= kernel &&
                          width + 2 * padding >= kernel && height >= 1 && width >= 1;
  if (!good_window || !good_image) {
    throw std::invalid_argument(
        "max_pool: image (" + std::to_string(n) + ", " + std::to_string(height) + ", " +
        std::to_string(width) + ", " + std::to_string(channels) + "), kernel " + std::to_string(kernel) +
        ", stride " + std::to_string(stride) + ", padding " + std::to_string(padding) +
        ": need kernel 1..15 inside the padded image, stride >= 1, padding <= kernel / 2");
  }
}

namespace cpu {
namespace {

// One tap of a window, for all channels of a pixel: `first` starts the maximum.
template <class T>
inline void take_tap_body(std::int64_t channels, const T* x, int tap, bool first, T* y, std::uint8_t* at) {
  if (first) {
    for (std::int64_t c = 0; c < channels; ++c) {
      y[c] = x[c];
      at[c] = static_cast<std::uint8_t>(tap);
    }
    return;
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const float value = load(x + c);
    const float best = load(y + c);
    const bool wins = (value > best) | (value != value);
    y[c] = wins ? x[c] : y[c];
    at[c] = wins ? static_cast<std::uint8_t>(tap) : at[c];
  }
}

// dx += dy where this tap was the maximum.
template <class T>
inline void give_tap_body(std::int64_t channels, const T* dy, const std::uint8_t* at, int tap, float* dx) {
  for (std::int64_t c = 0; c < channels; ++c) dx[c] += at[c] == tap ? load(dy + c) : 0.0F;
}

NAGARE_SIMD void take_tap(std::int64_t channels, const float* x, int tap, bool first, float* y,
                          std::uint8_t* at) {
  take_tap_body(channels, x, tap, first, y, at);
}
NAGARE_SIMD void take_tap(std::int64_t channels, const bf16* x, int tap, bool first, bf16* y,
                          std::uint8_t* at) {
  take_tap_body(channels, x, tap, first, y, at);
}
NAGARE_SIMD void give_tap(std::int64_t channels, const float* dy, const std::uint8_t* at, int tap,
                          float* dx) {
  give_tap_body(channels, dy, at, tap, dx);
}
NAGARE_SIMD void give_tap(std::int64_t channels, const bf16* dy, const std::uint8_t* at, int tap, float* dx) {
  give_tap_body(channels, dy, at, tap, dx);
}

template <class T>
void pool_pixel(const MaxPool& p, const T* image, std::int64_t i, std::int64_t j, T* y, std::uint8_t* at) {
  bool first = true;
  for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
    const std::int64_t h = i * p.stride - p.padding + tap / p.kernel;
    const std::int64_t w = j * p.stride - p.padding + tap % p.kernel;
    if (h < 0 || h >= p.height || w < 0 || w >= p.width) continue;
    take_tap(p.channels, image + (h * p.width + w) * p.channels, tap, first, y, at);
    first = false;
  }
}

// Windows that cover coordinate `at` of an axis: [first, last].
struct Windows {
  std::int64_t first;
  std::int64_t last;
};
Windows windows_over(std::int64_t at, const MaxPool& p, std::int64_t outputs) {
  const std::int64_t reach =
      at + p.padding - p.kernel + 1;  // smallest start of a window that still covers it
  return {reach <= 0 ? 0 : (reach + p.stride - 1) / p.stride,
          std::min((at + p.padding) / p.stride, outputs - 1)};
}

}  // namespace

template <class T>
void max_pool(const MaxPool& p, const T* x, T* y, std::uint8_t* at, Stream) {
  p.check();
  const std::int64_t rows = p.out_height();
  const std::int64_t cols = p.out_width();
  parallel_for(p.n * rows, [=](std::int64_t row) {
    const T* image = x + row / rows * p.height * p.width * p.channels;
    for (std::int64_t j = 0; j < cols; ++j) {
      const std::int64_t pixel = (row * cols + j) * p.channels;
      pool_pixel(p, image, row % rows, j, y + pixel, at + pixel);
    }
  });
}

template <class T>
void max_pool_backward(const MaxPool& p, const std::uint8_t* at, const T* dy, T* dx, Stream) {
  p.check();
  const std::int64_t rows = p.out_height();
  const std::int64_t cols = p.out_width();
  parallel_for(p.n * p.height, [=](std::int64_t line) {
    const std::int64_t h = line % p.height;
    const std::int64_t image = line / p.height * rows * cols;
    const Windows vertical = windows_over(h, p, rows);
    std::vector<float> sum(static_cast<std::size_t>(p.channels));
    for (std::int64_t w = 0; w < p.width; ++w) {
      const Windows horizontal = windows_over(w, p, cols);
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (std::int64_t i = vertical.first; i <= vertical.last; ++i) {
        for (std::int64_t j = horizontal.first; j <= horizontal.last; ++j) {
          const auto tap =
              static_cast<int>((h - i * p.stride + p.padding) * p.kernel + w - j * p.stride + p.padding);
          const std::int64_t pixel = (image + i * cols + j) * p.channels;
          give_tap(p.channels, dy + pixel, at + pixel, tap, sum.data());
        }
      }
      T* to = dx + (line * p.width + w) * p.channels;
      for (std::int64_t c = 0; c < p.channels; ++c) store(to + c, sum[static_cast<std::size_t>(c)]);
    }
  });
}

void max_pool_index(const MaxPool& p, const std::uint8_t* at, std::int64_t* index, Stream) {
  p.check();
  const std::int64_t rows = p.out_height();
  const std::int64_t cols = p.out_width();
  parallel_for(p.n * rows * cols, [=](std::int64_t pixel) {
    const std::int64_t h = pixel / cols % rows * p.stride - p.padding;
    const std::int64_t w = pixel % cols * p.stride - p.padding;
    for (std::int64_t i = pixel * p.channels; i < (pixel + 1) * p.channels; ++i) {
      index[i] = (h + at[i] / p.kernel) * p.width + w + at[i] % p.kernel;
    }
  });
}

template void max_pool(const MaxPool&, const float*, float*, std::uint8_t*, Stream);
template void max_pool(const MaxPool&, const bf16*, bf16*, std::uint8_t*, Stream);
template void max_pool_backward(const MaxPool&, const std::uint8_t*, const float*, float*, Stream);
template void max_pool_backward(const MaxPool&, const std::uint8_t*, const bf16*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
