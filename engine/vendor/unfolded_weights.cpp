#include "engine/vendor/unfolded_weights.h"

#include <algorithm>
#include <cstring>

#include "engine/vendor/matrix_product.h"
#include "engine/vendor/onednn.h"
#include "kernels/elementwise.h"

namespace nagare::vendor::cpu {
namespace {

constexpr std::int64_t kColumnBytes = std::int64_t{32} << 20;

template <class T>
void copy_or_clear(T* to, const T* from, std::int64_t n) {
  const auto bytes = static_cast<std::size_t>(n) * sizeof(T);
  if (from != nullptr) {
    std::memcpy(static_cast<void*>(to), from, bytes);
  } else {
    std::memset(static_cast<void*>(to), 0, bytes);
  }
}

// The window under output pixel (i, j) of one image, row by row of the kernel.
template <class T>
void unfold_pixel(const Convolution& p, const T* image, std::int64_t i, std::int64_t j, T* columns) {
  for (std::int64_t u = 0; u < p.kernel_height; ++u) {
    const std::int64_t row = i * p.stride + u - p.padding;
    for (std::int64_t v = 0; v < p.kernel_width; ++v) {
      const std::int64_t col = j * p.stride + v - p.padding;
      const bool inside = row >= 0 && row < p.height && col >= 0 && col < p.width;
      copy_or_clear(columns, inside ? image + (row * p.width + col) * p.in_channels : nullptr, p.in_channels);
      columns += p.in_channels;
    }
  }
}

template <class T>
void unfold(const Convolution& p, std::int64_t images, const T* x, T* columns) {
  const std::int64_t window = p.kernel_height * p.kernel_width * p.in_channels;
  parallel_for(images * p.out_height(), [&](std::int64_t line) {
    const T* image = x + line / p.out_height() * p.height * p.width * p.in_channels;
    for (std::int64_t j = 0; j < p.out_width(); ++j) {
      unfold_pixel(p, image, line % p.out_height(), j, columns + (line * p.out_width() + j) * window);
    }
  });
}

}  // namespace

template <class T>
bool weights_prefer_product(const Convolution& p) {
  const bool pointwise = p.kernel_height == 1 && p.kernel_width == 1;
  if (pointwise && p.stride > 1) return true;
  const bool short_rows = p.out_width() <= 4 || (p.stride > 1 && p.out_width() <= 8);
  return std::is_same_v<T, bf16> && onednn::has_amx() && short_rows && p.in_channels >= 16 &&
         p.out_channels >= 16;
}

template <class T>
void unfolded_backward_weights(const Convolution& p, const T* x, const T* dy, float* dw) {
  const std::int64_t window = p.kernel_height * p.kernel_width * p.in_channels;
  const std::int64_t pixels = p.out_height() * p.out_width();
  const std::int64_t bytes_per_image = pixels * window * std::int64_t{sizeof(T)};
  const std::int64_t at_once = std::clamp<std::int64_t>(kColumnBytes / bytes_per_image, 1, p.batch);
  const auto columns = allocate(Device::cpu, static_cast<std::size_t>(at_once * bytes_per_image));
  const auto part = at_once < p.batch
                        ? allocate(Device::cpu, static_cast<std::size_t>(p.weights()) * sizeof(float))
                        : std::shared_ptr<void>();
  for (std::int64_t first = 0; first < p.batch; first += at_once) {
    const std::int64_t images = std::min(at_once, p.batch - first);
    unfold(p, images, x + first * p.height * p.width * p.in_channels, static_cast<T*>(columns.get()));
    auto* out = first == 0 ? dw : static_cast<float*>(part.get());
    matrix_product<T, float>(
        {.rows = p.out_channels, .cols = window, .inner = images * pixels, .transpose_a = true},
        dy + first * pixels * p.out_channels, static_cast<const T*>(columns.get()), nullptr, out, nullptr);
    if (first > 0) kernels::cpu::linear_combination({.n = p.weights()}, dw, out, dw, nullptr);
  }
}

template bool weights_prefer_product<float>(const Convolution&);
template bool weights_prefer_product<bf16>(const Convolution&);
template void unfolded_backward_weights(const Convolution&, const float*, const float*, float*);
template void unfolded_backward_weights(const Convolution&, const bf16*, const bf16*, float*);

}  // namespace nagare::vendor::cpu
