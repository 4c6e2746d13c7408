#include "kernels/fit_matrix.h"

#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

namespace nagare::kernels {

void FitMatrix::check() const {
  if (in_rows < 0 || in_cols < 0 || out_rows < 0 || out_cols < 0) {
    throw std::invalid_argument("fit_matrix: (" + std::to_string(in_rows) + ", " + std::to_string(in_cols) +
                                ") into (" + std::to_string(out_rows) + ", " + std::to_string(out_cols) +
                                "): need sizes >= 0");
  }
}

namespace cpu {

template <class From, class To>
void fit_matrix(const FitMatrix& p, const From* in, To* out, Stream) {
  p.check();
  parallel_for(p.out_rows, [=](std::int64_t r) {
    for (std::int64_t c = 0; c < p.out_cols; ++c) {
      store(out + r * p.out_cols + c, r < p.in_rows && c < p.in_cols ? load(in + r * p.in_cols + c) : 0.0F);
    }
  });
}

template void fit_matrix(const FitMatrix&, const float*, float*, Stream);
template void fit_matrix(const FitMatrix&, const float*, bf16*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, float*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
