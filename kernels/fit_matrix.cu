#include "kernels/fit_matrix.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class From, class To>
__global__ void fit(FitMatrix p, const From* in, To* out) {
  for_each_index_of_this_thread(p.out_rows * p.out_cols, [=](std::int64_t i) {
    const std::int64_t r = i / p.out_cols;
    const std::int64_t c = i - r * p.out_cols;
    store(out + i, r < p.in_rows && c < p.in_cols ? load(in + r * p.in_cols + c) : 0.0F);
  });
}

}  // namespace

template <class From, class To>
void fit_matrix(const FitMatrix& p, const From* in, To* out, Stream stream) {
  p.check();
  const std::int64_t n = p.out_rows * p.out_cols;
  if (n > 0) launch("fit_matrix", fit<From, To>, grid_for(n), kBlock, 0, stream, p, in, out);
}

template void fit_matrix(const FitMatrix&, const float*, float*, Stream);
template void fit_matrix(const FitMatrix&, const float*, bf16*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, float*, Stream);
template void fit_matrix(const FitMatrix&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
