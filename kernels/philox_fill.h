#pragma once
// Arrays of random numbers by counter: element i is a function of (key, i) alone.
//
//   philox_uniform  out[i] = low + (high - low) u_i,  u_i = draw i of the stream `key` (philox.h), in [0, 1)
//   philox_normal   out[i] = mean + deviation z_i, by Box and Muller's transform of two draws to two values:
//                   z_2j = r cos a,  z_2j+1 = r sin a,  r = sqrt(-2 ln(1 - u_2j)),  a = 2 pi u_2j+1
//
// out          f32 or bf16 (rounded once), n elements: elements first, first + 1, ... of the whole array
// slices       [first, first + n) of any cut hold the bits that one call for all would have written
// range        uniform: [low, high); rounding may give high itself where high - low is no power of two, or in bf16.
//              normal: |z| <= sqrt(48 ln 2) = 5.77, as a draw has 24 bits: P(|z| > 5.77) = 8e-9 is cut off
// accuracy     normal: |z - exact z of these draws| <= 1e-6
// determinism  the same bits on every device, for any number of threads: only +, -, *, sqrt and integers are used, each
//              rounded on its own (the .cu is compiled without fused multiply-adds)
// limits       first + n <= 2^26, the draws of one stream
// cost         floor: one write per element; in fact the ten rounds of Philox and the transform: docs/kernels/philox_fill.md
// errors       std::invalid_argument: negative first or n, beyond the limit, high < low, deviation < 0, not finite
// source       Salmon et al., SC 2011; Box and Muller, Ann. Math. Stat. 1958
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/philox.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct PhiloxFill {
  RandomKey key;
  std::int64_t n;          // >= 0; 0 does nothing
  std::int64_t first = 0;  // >= 0

  void check() const;
};

struct UniformRange {
  float low = 0.0F;
  float high = 1.0F;

  void check() const;
};

struct NormalShape {
  float mean = 0.0F;
  float deviation = 1.0F;

  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                   \
  template <class T>                                                                          \
  void philox_uniform(const PhiloxFill& p, const UniformRange& range, T* out, Stream stream); \
  template <class T>                                                                          \
  void philox_normal(const PhiloxFill& p, const NormalShape& shape, T* out, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
