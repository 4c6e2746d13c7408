#pragma once
// Batched matrix product. CPU: oneDNN. CUDA: cuBLASLt.
//
//   c[i] = op(a[i]) op(b[i]) + bias        op(m) = m, or its transpose where the flag says so
//
// a         T (batch, rows, inner), with transpose_a (batch, inner, rows); row-major; T is float or bf16
// b         T (batch, inner, cols), with transpose_b (batch, cols, inner)
// c         Out (batch, rows, cols); (T, Out) is (float, float), (bf16, bf16) or (bf16, float)
// bias      f32 (cols), added to every row; or nullptr
// aliasing  none
// accuracy  products of T summed in f32, rounded to Out once; the same bits from run to run
// special   inner = 0 gives bias or zero; an empty result does nothing
// errors    std::invalid_argument naming the sizes, before anything is written
#include <compare>
#include <cstdint>
#include <string>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::vendor {

struct MatrixProduct {
  std::int64_t batch = 1;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t inner = 0;
  bool transpose_a = false;
  bool transpose_b = false;

  // All sizes >= 0.
  void check() const;
  auto operator<=>(const MatrixProduct&) const = default;
};

#define NAGARE_DECLARE_TWIN                                                                      \
  template <class T, class Out>                                                                  \
  void matrix_product(const MatrixProduct& p, const T* a, const T* b, const float* bias, Out* c, \
                      Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
std::string library_version();  // "oneDNN 2.6.3"
}  // namespace cpu
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::vendor
