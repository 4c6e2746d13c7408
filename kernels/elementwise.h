#pragma once
// One pass over n elements. T is float or bf16; arithmetic is in float.
//
//   linear_combination   out[i] = alpha * a[i] + beta * b[i]
//   affine               out[i] = alpha * a[i] + beta
//   multiply             out[i] = a[i] * b[i]
//   cast                 out[i] = a[i], to another element type (rounding to nearest even)
//   fill                 out[i] = value
//   scale_by             x[i] = *factor * x[i], factor in device memory; nothing is read or written where it is 1
//
// n         >= 0; 0 does nothing
// aliasing  out may be a or b (cast: only where the element sizes agree)
// special   0 * inf and 0 * NaN are NaN, as written; beta = 0 does not hide b
// cost      3 (2, 3, 2, 1, 2 or 0) element transfers; bit-identical on every run and device
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct LinearCombination {
  std::int64_t n;
  float alpha = 1.0F;
  float beta = 1.0F;
};

struct Affine {
  std::int64_t n;
  float alpha = 1.0F;
  float beta = 0.0F;
};

#define NAGARE_DECLARE_TWIN                                                                           \
  template <class T>                                                                                  \
  void linear_combination(const LinearCombination& p, const T* a, const T* b, T* out, Stream stream); \
  template <class T>                                                                                  \
  void affine(const Affine& p, const T* a, T* out, Stream stream);                                    \
  template <class T>                                                                                  \
  void multiply(std::int64_t n, const T* a, const T* b, T* out, Stream stream);                       \
  template <class From, class To>                                                                     \
  void cast(std::int64_t n, const From* a, To* out, Stream stream);                                   \
  template <class T>                                                                                  \
  void fill(std::int64_t n, float value, T* out, Stream stream);                                      \
  template <class T>                                                                                  \
  void scale_by(std::int64_t n, const float* factor, T* x, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
