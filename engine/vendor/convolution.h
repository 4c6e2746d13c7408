#pragma once
// 2-D cross-correlation with zero padding, and its two gradients. CPU: oneDNN. CUDA: cuDNN.
//
//   forward            y[n,i,j,o] = bias[o] + sum_{u,v,c} w[o,u,v,c] x[n, i s + u - p, j s + v - p, c],
//                      s = stride, p = padding
//   backward_data      dx = d sum(y * dy) / dx
//   backward_weights   dw = d sum(y * dy) / dw
//
// x, dx       T (batch, height, width, in_channels); T is float or bf16
// y, dy       T (batch, out_height, out_width, out_channels),  out = floor((in + 2 padding - kernel) / stride) + 1
// w, dw       f32 (out_channels, kernel_height, kernel_width, in_channels), whatever T is; rounded to T inside
// bias        f32 (out_channels) or nullptr; its gradient is the sum of dy over all axes but the last
// aliasing    none
// accuracy    products of T summed in f32; the same bits from run to run for a given number of threads (the
//             libraries split the sum of backward_weights by thread); on CUDA, dw of bf16 operands is rounded to
//             bf16 once
// cost        2 * batch * out_height * out_width * out_channels * kernel area * in_channels FLOP each
// errors      std::invalid_argument naming the sizes, before anything is written; batch = 0 does nothing, but
//             backward_weights then writes zeros
#include <compare>
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::vendor {

struct Convolution {
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel_height = 0;
  std::int64_t kernel_width = 0;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  std::int64_t out_height() const { return (height + 2 * padding - kernel_height) / stride + 1; }
  std::int64_t out_width() const { return (width + 2 * padding - kernel_width) / stride + 1; }
  std::int64_t weights() const { return out_channels * kernel_height * kernel_width * in_channels; }
  // batch >= 0, other sizes >= 1, padding in [0, kernel), and at least one output.
  void check() const;
  auto operator<=>(const Convolution&) const = default;
};

#define NAGARE_DECLARE_TWIN                                                                                \
  template <class T>                                                                                       \
  void convolution(const Convolution& p, const T* x, const float* w, const float* bias, T* y,              \
                   Stream stream);                                                                         \
  template <class T>                                                                                       \
  void convolution_backward_data(const Convolution& p, const T* dy, const float* w, T* dx, Stream stream); \
  template <class T>                                                                                       \
  void convolution_backward_weights(const Convolution& p, const T* x, const T* dy, float* dw,              \
                                    Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::vendor
