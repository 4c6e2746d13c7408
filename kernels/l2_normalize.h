#pragma once
// Every row of a matrix divided by its Euclidean length.
//
//   forward    norm[r] = ||x[r,:]||,  y[r,c] = x[r,c] / max(norm[r], epsilon)
//   backward   dx[r,c] = (dy[r,c] - y[r,c] sum_k y[r,k] dy[r,k]) / norm[r]   where norm[r] >= epsilon
//              dx[r,c] = dy[r,c] / epsilon   elsewhere, where the divisor is a constant
//
// x, y, dy, dx  T (rows, cols), row-major, T is float or bf16 (computed in float);  norm  f32 (rows)
// epsilon       positive, not subnormal; 1e-12 in the methods
// aliasing      y may be x, dx may be dy
// range         lengths from 1e-38 to 3e38: no square overflows on the way
// special       a row with NaN or infinity comes out with NaN and harms no other; a row of zeros gives zeros
// accuracy      f32: |y - exact| <= 1e-6; bf16: the nearest bf16 of that, and dx from the rounded y. Bit-identical
//               from run to run
// cost          x (or y and dy) is read twice, the second time from cache; floor 2 element transfers forward, 3
//               backward
// errors        std::invalid_argument with shape and epsilon
// source        torch.nn.functional.normalize
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::kernels {

struct L2Normalize {
  std::int64_t rows;  // >= 0
  std::int64_t cols;  // >= 1
  float epsilon = 1e-12F;

  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                           \
  template <class T>                                                                                  \
  void l2_normalize(const L2Normalize& p, const T* x, T* y, float* norm, Stream stream);              \
  template <class T>                                                                                  \
  void l2_normalize_backward(const L2Normalize& p, const T* y, const float* norm, const T* dy, T* dx, \
                             Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
