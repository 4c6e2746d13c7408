#pragma once
// Maximum over square windows of an image, with its position.
//
//   forward    y[n,i,j,c] = max over u,v of x[n, i s - p + u, j s - p + v, c],  u, v in [0, kernel)
//              at[n,i,j,c] = u kernel + v of that maximum
//   backward   dx[n,h,w,c] = sum of dy over the windows whose maximum is (h, w, c)
//
// x, y, dy, dx  f32 or bf16, (n, height, width, channels) and (n, out_height, out_width, channels)
// at            u8, as y: enough to find the pixel again, and a byte where an index would take eight
// ties          the first in row-major window order wins and gets the whole gradient; padding never wins
// special       a NaN wins over everything
// aliasing      none
// cost          floor: one read of x, one write of y and at; backward one read of dy and at, one write of dx
// errors        std::invalid_argument: sizes, kernel 1..15, stride >= 1, padding <= kernel / 2
// determinism   bit-identical on every run and device; the gradient is gathered, never scattered
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct MaxPool {
  std::int64_t n;
  std::int64_t height;
  std::int64_t width;
  std::int64_t channels;
  int kernel = 3;
  int stride = 2;
  int padding = 1;

  constexpr std::int64_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  constexpr std::int64_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                            \
  template <class T>                                                                                   \
  void max_pool(const MaxPool& p, const T* x, T* y, std::uint8_t* at, Stream stream);                  \
  template <class T>                                                                                   \
  void max_pool_backward(const MaxPool& p, const std::uint8_t* at, const T* dy, T* dx, Stream stream); \
  /* index[n,i,j,c] = h * width + w of the maximum. */                                                 \
  void max_pool_index(const MaxPool& p, const std::uint8_t* at, std::int64_t* index, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
