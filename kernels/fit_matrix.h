#pragma once
// Copies a matrix into one of another size and element type: what is missing becomes zero, what is too much is left out.
//
//   out[r,c] = in[r,c] where r < in_rows and c < in_cols, else 0
//
// in        From (in_rows, in_cols), row-major; out  To (out_rows, out_cols); float or bf16 (rounding to nearest even)
// use       channels padded to a multiple that tensor cores want, and cut off again
// aliasing  none
// cost      one read of the overlap, one write of out; bit-identical on every run and device
// errors    std::invalid_argument for a negative size; an empty out does nothing
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct FitMatrix {
  std::int64_t in_rows;
  std::int64_t in_cols;
  std::int64_t out_rows;
  std::int64_t out_cols;

  void check() const;
};

namespace cpu {
template <class From, class To>
void fit_matrix(const FitMatrix& p, const From* in, To* out, Stream stream);
}
namespace cuda {
template <class From, class To>
void fit_matrix(const FitMatrix& p, const From* in, To* out, Stream stream);
}

}  // namespace nagare::kernels
