#pragma once
// Log-determinants of a batch of positive definite matrices by Cholesky factorisation, and their gradient.
// CPU: LAPACK (OpenBLAS), one matrix per thread. CUDA: cuSOLVER or a kernel of our own.
//
//   m_i = I + alpha * gram_i = L_i L_i^T
//   forward     half_log_det[i] = 1/2 log det m_i = sum_k log L_i[k,k]
//   backward    weight_i = scale[i] * alpha * m_i^-1
//               (for gram = z z^T and scale = d loss / d half_log_det, the gradient of z is weight z)
//
// gram          f32 (batch, order, order), symmetric; positive semi-definite for the result to exist
// factor        f32 (batch, order, order): L_i in the lower triangle (row-major, zero above), for the backward
// half_log_det  f32 (batch)
// scale         f32 (batch)
// weight        f32 (batch, order, order), both triangles
// aliasing      factor may be gram; weight may be factor
// special       where m_i is not positive definite or holds NaN or infinity, half_log_det[i] and weight_i are NaN
//               and nothing else is touched by it; nothing waits for the device
// cost          order^3 / 3 and order^3 FLOP per matrix
// errors        std::invalid_argument naming sizes and alpha, before anything is written; batch = 0 does nothing
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::vendor {

struct CholeskyLogDet {
  std::int64_t batch = 0;  // >= 0
  std::int64_t order = 0;  // >= 1
  float alpha = 1.0F;      // positive and finite

  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                             \
  void cholesky_log_det(const CholeskyLogDet& p, const float* gram, float* factor, float* half_log_det, \
                        Stream stream);                                                                 \
  void cholesky_log_det_backward(const CholeskyLogDet& p, const float* factor, const float* scale,      \
                                 float* weight, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::vendor
