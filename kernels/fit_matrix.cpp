#include "kernels/fit_matrix.h"

#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void FitMatrix::check() const {
  if (in_rows < 0 || in_cols < 0 || out_rows < 0 || out_cols < 0) {
    throw std::invalid_argument("fit_matrix: (" + std::to_string(in_rows) + ", " + std::to_string(in_cols) +
                                ") into (" + std::to_string(out_rows) + ", " + std::to_string(out_cols) +
                                "): need sizes >= 0");
  }
}

namespace cpu {
namespace {

constexpr std::int64_t kTaskSize = 1 << 14;  // elements, at least, in what one thread takes at a time

NAGARE_INLINE void copy_element(const float* from, float* to) { *to = *from; }
NAGARE_INLINE void copy_element(const bf16* from, bf16* to) { *to = *from; }
template <class From, class To>
NAGARE_INLINE void copy_element(const From* from, To* to) {
  store(to, load(from));
}

template <class From, class To>
NAGARE_INLINE void fit_rows_body(const FitMatrix& p, std::int64_t begin, std::int64_t end, const From* in,
                                 To* out) {
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t taken = r < p.in_rows ? (p.in_cols < p.out_cols ? p.in_cols : p.out_cols) : 0;
    To* row = out + r * p.out_cols;
    for (std::int64_t c = 0; c < taken; ++c) copy_element(in + r * p.in_cols + c, row + c);
    for (std::int64_t c = taken; c < p.out_cols; ++c) store(row + c, 0.0F);
  }
}

// Overloads, not templates, because each is compiled for several vector widths.
#define NAGARE_DEFINE_FIT(From, To)                                                                   \
  NAGARE_SIMD void fit_rows(const FitMatrix& p, std::int64_t begin, std::int64_t end, const From* in, \
                            To* out) {                                                                \
    fit_rows_body(p, begin, end, in, out);                                                            \
  }
NAGARE_DEFINE_FIT(float, float)
NAGARE_DEFINE_FIT(float, bf16)
NAGARE_DEFINE_FIT(bf16, float)
NAGARE_DEFINE_FIT(bf16, bf16)
#undef NAGARE_DEFINE_FIT

}  // namespace

template <class From, class To>
void fit_matrix(const FitMatrix& p, const From* in, To* out, Stream) {
  p.check();
  if (p.out_cols == 0) return;
  for_each_block(p.out_rows, kTaskSize / p.out_cols + 1,
                 [&](std::int64_t begin, std::int64_t end) { fit_rows(p, begin, end, in, out); });
}

template void fit_matrix(const FitMatrix&, const float*, float*, Stream);
template void fit_matrix(const FitMatrix&, const float*, bf16*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, float*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
