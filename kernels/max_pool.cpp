#include "kernels/max_pool.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

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

using simd::kLanes;
using simd::Vector;
using Taps = std::int32_t __attribute__((vector_size(64)));  // of sixteen channels
using TapBytes = std::uint8_t __attribute__((vector_size(16)));

// In two steps: a conversion to four times the width is taken apart lane by lane.
NAGARE_INLINE void widen(const TapBytes& bytes, Taps& taps) {
  taps = __builtin_convertvector(__builtin_convertvector(bytes, simd::bits::U16), Taps);
}
NAGARE_INLINE void narrow(const Taps& taps, TapBytes& bytes) {
  bytes = __builtin_convertvector(__builtin_convertvector(taps, simd::bits::U16), TapBytes);
}

// The part of a window that lies inside the image: taps (u, v) with first <= u < last in both directions.
struct Window {
  std::int64_t row, column;  // of tap (0, 0) in the image; may lie outside
  int first_row, last_row, first_column, last_column;
};

// The definition, for one channel: what the vectors below leave to it.
template <class T>
void pool_channel(const MaxPool& p, const T* image, const Window& w, std::int64_t c, T* y, std::uint8_t* at) {
  bool first = true;
  float best = 0.0F;
  for (int u = w.first_row; u < w.last_row; ++u) {
    for (int v = w.first_column; v < w.last_column; ++v) {
      const T* from = image + ((w.row + u) * p.width + w.column + v) * p.channels + c;
      const float value = load(from);
      if (!first && !(value > best || value != value)) continue;
      best = value;
      first = false;
      y[c] = *from;
      at[c] = static_cast<std::uint8_t>(u * p.kernel + v);
    }
  }
}

// Maximum and its tap for sixteen channels from c. NaN would take another two selections each time, which the compiler
// takes apart lane by lane; so it is only noticed, by 0 x NaN, and left to pool_channel. Infinity is noticed too.
template <class T>
NAGARE_INLINE bool pool_vector(const MaxPool& p, const T* image, const Window& w, std::int64_t c, T* y,
                               std::uint8_t* at) {
  const T* from = image + ((w.row + w.first_row) * p.width + w.column + w.first_column) * p.channels + c;
  Vector best, value;
  simd::load(from, best);
  Vector tap = Vector{} + static_cast<float>(w.first_row * p.kernel + w.first_column);
  Vector probe = best * 0.0F;
  for (int u = w.first_row; u < w.last_row; ++u) {
    const T* line = image + ((w.row + u) * p.width + w.column) * p.channels + c;
    for (int v = w.first_column; v < w.last_column; ++v) {
      simd::load(line + v * p.channels, value);
      tap = value > best ? Vector{} + static_cast<float>(u * p.kernel + v) : tap;
      best = value > best ? value : best;
      probe += value * 0.0F;
    }
  }
  const float noticed = simd::sum(probe);
  if (noticed != noticed) return false;
  simd::store(y + c, best);
  TapBytes bytes;
  narrow(__builtin_convertvector(tap, Taps), bytes);
  std::memcpy(at + c, &bytes, sizeof bytes);
  return true;
}

template <class T>
NAGARE_INLINE void pool_pixel_body(const MaxPool& p, const T* image, const Window& w, T* y,
                                   std::uint8_t* at) {
  std::int64_t c = 0;
  for (; c + kLanes <= p.channels; c += kLanes) {
    if (pool_vector(p, image, w, c, y, at)) continue;
    for (std::int64_t k = c; k < c + kLanes; ++k) pool_channel(p, image, w, k, y, at);
  }
  for (; c < p.channels; ++c) pool_channel(p, image, w, c, y, at);
}

// A window over an input pixel: where its output begins, and which of its taps the pixel is.
struct Cover {
  std::int64_t pixel;
  int tap;
};
// 15 x 15 windows with stride 1 cover a pixel most often.
constexpr int kMostCovers = 225;

// dx = sum of dy where the covering window's maximum is this pixel, in the order of the windows.
template <class T>
NAGARE_INLINE void gather_channels(const Cover* covers, int count, const T* dy, const std::uint8_t* at,
                                   std::int64_t c, std::int64_t lanes, T* dx) {
  Vector sum{};
  for (int i = 0; i < count; ++i) {
    const std::int64_t from = covers[i].pixel + c;
    Vector g;
    TapBytes bytes{};
    if (lanes == kLanes) {
      simd::load(dy + from, g);
      std::memcpy(&bytes, at + from, sizeof bytes);
    } else {
      simd::load_first(dy + from, lanes, 0.0F, g);
      for (std::int64_t k = 0; k < lanes; ++k) bytes[k] = at[from + k];
    }
    Taps taps;
    widen(bytes, taps);
    sum += taps == covers[i].tap ? g : Vector{};
  }
  if (lanes == kLanes) return simd::store(dx + c, sum);
  simd::store_first(dx + c, lanes, sum);
}

template <class T>
NAGARE_INLINE void gather_pixel_body(std::int64_t channels, const Cover* covers, int count, const T* dy,
                                     const std::uint8_t* at, T* dx) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) gather_channels(covers, count, dy, at, c, kLanes, dx);
  if (c < channels) gather_channels(covers, count, dy, at, c, channels - c, dx);
}

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_PIXELS(T)                                                                            \
  NAGARE_SIMD void pool_pixel(const MaxPool& p, const T* image, const Window& w, T* y, std::uint8_t* at) { \
    pool_pixel_body(p, image, w, y, at);                                                                   \
  }                                                                                                        \
  NAGARE_SIMD void gather_pixel(std::int64_t channels, const Cover* covers, int count, const T* dy,        \
                                const std::uint8_t* at, T* dx) {                                           \
    gather_pixel_body(channels, covers, count, dy, at, dx);                                                \
  }
NAGARE_DEFINE_PIXELS(float)
NAGARE_DEFINE_PIXELS(bf16)
#undef NAGARE_DEFINE_PIXELS

Window window_of(const MaxPool& p, std::int64_t i, std::int64_t j) {
  const auto first = [](std::int64_t start) { return start < 0 ? static_cast<int>(-start) : 0; };
  const auto last = [&](std::int64_t start, std::int64_t size) {
    return static_cast<int>(std::min<std::int64_t>(p.kernel, size - start));
  };
  const std::int64_t row = i * p.stride - p.padding;
  const std::int64_t column = j * p.stride - p.padding;
  return {row, column, first(row), last(row, p.height), first(column), last(column, p.width)};
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
      pool_pixel(p, image, window_of(p, row % rows, j), y + pixel, at + pixel);
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
    Cover covers[kMostCovers];
    for (std::int64_t w = 0; w < p.width; ++w) {
      const Windows horizontal = windows_over(w, p, cols);
      int count = 0;
      for (std::int64_t i = vertical.first; i <= vertical.last; ++i) {
        for (std::int64_t j = horizontal.first; j <= horizontal.last; ++j) {
          covers[count++] = {
              (image + i * cols + j) * p.channels,
              static_cast<int>((h - i * p.stride + p.padding) * p.kernel + w - j * p.stride + p.padding)};
        }
      }
      gather_pixel(p.channels, covers, count, dy, at, dx + (line * p.width + w) * p.channels);
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
