#include "engine/ops/variance_covariance.h"

#include <stdexcept>

#include "engine/ops/check.h"
#include "engine/ops/prepared_gradients.h"
#include "kernels/dispatch.h"
#include "kernels/variance_covariance.h"

namespace nagare {

VarianceCovarianceTerms variance_covariance_loss(const Tensor& x, const Tensor& y,
                                                 const VarianceCovarianceLoss& options) {
  check_activation("variance_covariance", x);
  check_same_kind("variance_covariance", x, y);
  if (x.shape().rank() != 2) {
    throw std::invalid_argument("variance_covariance: x " + to_string(x.shape()) + ": need (batch, dim)");
  }
  const kernels::VarianceCovariance p{.rows = x.shape()[0],
                                      .cols = x.shape()[1],
                                      .invariance_weight = options.invariance_weight,
                                      .variance_weight = options.variance_weight,
                                      .covariance_weight = options.covariance_weight,
                                      .epsilon = options.epsilon};
  p.check();
  const TensorOptions f32{.dtype = DType::f32, .device = x.device()};
  const Tensor scratch = Tensor::empty({p.scratch_floats()}, f32);
  const Tensor terms = Tensor::empty({4}, f32);
  const Tensor dx = empty_gradient(x);
  const Tensor dy = empty_gradient(y);
  for_activation_type("variance_covariance", x.dtype(), [&]<class T>(T) {
    const kernels::VarianceCovarianceOutputs<T> out{
        .terms = terms.data<float>(), .dx = data_or_null<T>(dx), .dy = data_or_null<T>(dy)};
    NAGARE_DISPATCH(x.device(),
                    variance_covariance(p, x.data<T>(), y.data<T>(), scratch.data<float>(), out, x.stream()));
  });
  const auto term = [&](std::int64_t i) { return terms.rows(i, 1).reshaped({}); };
  return {.loss = record_prepared("variance_covariance", term(0), {x, y}, {dx, dy}),
          .invariance = term(1),
          .variance = term(2),
          .covariance = term(3)};
}

}  // namespace nagare
