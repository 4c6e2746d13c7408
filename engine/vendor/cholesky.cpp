#include "engine/vendor/cholesky.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

// LAPACK's Fortran interface: column-major, so that its "upper" is the lower triangle of a row-major matrix.
extern "C" {
void spotrf_(const char* uplo, const int* n, float* a, const int* lda, int* info);
void spotri_(const char* uplo, const int* n, float* a, const int* lda, int* info);
[[gnu::weak]] void openblas_set_num_threads(int threads);  // absent from the reference LAPACK
}

namespace nagare::vendor {

void CholeskyLogDet::check() const {
  if (batch < 0 || order < 1 || order > 46340 || !(alpha > 0.0F && std::isfinite(alpha))) {
    throw std::invalid_argument("cholesky_log_det: " + std::to_string(batch) + " matrices of order " +
                                std::to_string(order) + ", alpha " + std::to_string(alpha) +
                                ": need batch >= 0, order in [1, 46340], alpha positive and finite");
  }
}

namespace cpu {
namespace {

constexpr char kLowerOfRowMajor = 'U';

// The matrices are spread over our threads; OpenBLAS's own pool would fight with them.
void one_blas_thread() {
  static const bool done = [] {
    if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

float factorise(const CholeskyLogDet& p, const float* gram, float* factor) {
  const std::int64_t n = p.order;
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < n; ++c) {
      factor[r * n + c] = c > r ? 0.0F : p.alpha * gram[r * n + c] + (r == c ? 1.0F : 0.0F);
    }
  }
  const auto order = static_cast<int>(n);
  int info = 0;
  spotrf_(&kLowerOfRowMajor, &order, factor, &order, &info);
  double log_det = 0.0;
  for (std::int64_t r = 0; r < n; ++r) log_det += std::log(static_cast<double>(factor[r * n + r]));
  if (info == 0 && std::isfinite(log_det)) return static_cast<float>(log_det);
  factor[0] = std::numeric_limits<float>::quiet_NaN();  // how the backward knows
  return factor[0];
}

void scaled_inverse(const CholeskyLogDet& p, const float* factor, float scale, float* weight) {
  const std::int64_t n = p.order;
  if (weight != factor) std::copy_n(factor, n * n, weight);
  const auto order = static_cast<int>(n);
  int info = std::isnan(factor[0]) ? 1 : 0;
  if (info == 0) spotri_(&kLowerOfRowMajor, &order, weight, &order, &info);
  if (info != 0)
    return static_cast<void>(std::fill_n(weight, n * n, std::numeric_limits<float>::quiet_NaN()));
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c <= r; ++c) {
      weight[c * n + r] = weight[r * n + c] = scale * p.alpha * weight[r * n + c];
    }
  }
}

}  // namespace

void cholesky_log_det(const CholeskyLogDet& p, const float* gram, float* factor, float* half_log_det,
                      Stream) {
  p.check();
  one_blas_thread();
  const std::int64_t size = p.order * p.order;
  parallel_for(p.batch,
               [&](std::int64_t i) { half_log_det[i] = factorise(p, gram + i * size, factor + i * size); });
}

void cholesky_log_det_backward(const CholeskyLogDet& p, const float* factor, const float* scale,
                               float* weight, Stream) {
  p.check();
  one_blas_thread();
  const std::int64_t size = p.order * p.order;
  parallel_for(p.batch,
               [&](std::int64_t i) { scaled_inverse(p, factor + i * size, scale[i], weight + i * size); });
}

}  // namespace cpu
}  // namespace nagare::vendor
