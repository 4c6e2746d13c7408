#include "engine/ops/coding_rate.h"

#include <cmath>
#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/matmul.h"
#include "engine/vendor/cholesky.h"
#include "engine/vendor/dispatch.h"

namespace nagare {
namespace {

void refuse_nan(const Tensor& rates, const Tensor& z) {
  const std::vector<float> values = rates.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Diverged("coding_rate: matrix " + std::to_string(i) + " of " + to_string(z.shape()) +
                     " gives no positive definite I + alpha z z^T: its features are not finite or too large");
    }
  }
}

}  // namespace

Tensor coding_rate(const Tensor& z, float alpha) {
  if (z.shape().rank() != 3 || z.dtype() != DType::f32 || z.shape()[1] < 1 || z.shape()[2] < 1) {
    throw std::invalid_argument("coding_rate: z " + to_string(z.shape()) + " " + to_string(z.dtype()) +
                                ": need (n, b, d) f32 with b, d >= 1");
  }
  const bool by_sample = z.shape()[1] <= z.shape()[2];  // the smaller Gram matrix: z z^T, else z^T z
  const vendor::CholeskyLogDet p{
      .batch = z.shape()[0], .order = by_sample ? z.shape()[1] : z.shape()[2], .alpha = alpha};
  p.check();
  const Tensor factor = matmul(z.detach(), z.detach(), {.transpose_a = !by_sample, .transpose_b = by_sample});
  const Tensor rates = Tensor::empty({p.batch}, z.options());
  NAGARE_VENDOR_DISPATCH(z.device(), cholesky_log_det(p, factor.data<float>(), factor.data<float>(),
                                                      rates.data<float>(), z.stream()));
  if (z.device() == Device::cpu) refuse_nan(rates, z);
  return tape::record(rates, {z},
                      [p, by_sample, z = z.detach(), factor](const Tensor& dr) -> std::vector<Tensor> {
                        const Tensor weight = empty_like(factor);
                        NAGARE_VENDOR_DISPATCH(
                            z.device(), cholesky_log_det_backward(p, factor.data<float>(), dr.data<float>(),
                                                                  weight.data<float>(), z.stream()));
                        return {by_sample ? matmul(weight, z) : matmul(z, weight)};
                      });
}

}  // namespace nagare
