#include "engine/ops/cross_correlation.h"

#include <stdexcept>

#include "engine/ops/check.h"
#include "engine/ops/prepared_gradients.h"
#include "kernels/cross_correlation.h"
#include "kernels/dispatch.h"

namespace nagare {
namespace {

struct Outputs {
  Tensor loss;
  Tensor correlation = {};  // or undefined
  Tensor dx = {};           // or undefined
  Tensor dy = {};           // or undefined
};

void run(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& options, const Outputs& to) {
  check_activation("cross_correlation", x);
  check_same_kind("cross_correlation", x, y);
  if (x.shape().rank() != 2) {
    throw std::invalid_argument("cross_correlation: x " + to_string(x.shape()) + ": need (batch, dim)");
  }
  const kernels::CrossCorrelation p{.rows = x.shape()[0],
                                    .cols = x.shape()[1],
                                    .lambda = options.lambda,
                                    .weight = options.weight,
                                    .epsilon = options.epsilon,
                                    .unbiased = options.unbiased};
  p.check();
  const Tensor scratch = Tensor::empty({p.scratch_floats()}, to.loss.options());
  for_activation_type("cross_correlation", x.dtype(), [&]<class T>(T) {
    const kernels::CrossCorrelationOutputs<T> out{.loss = to.loss.data<float>(),
                                                  .correlation = data_or_null<float>(to.correlation),
                                                  .dx = data_or_null<T>(to.dx),
                                                  .dy = data_or_null<T>(to.dy)};
    NAGARE_DISPATCH(x.device(),
                    cross_correlation(p, x.data<T>(), y.data<T>(), scratch.data<float>(), out, x.stream()));
  });
}

TensorOptions f32_beside(const Tensor& x) { return {.dtype = DType::f32, .device = x.device()}; }

}  // namespace

Tensor cross_correlation_loss(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& options) {
  check_defined("cross_correlation", x);
  check_defined("cross_correlation", y);
  const Outputs to{
      .loss = Tensor::empty({}, f32_beside(x)), .dx = empty_gradient(x), .dy = empty_gradient(y)};
  run(x, y, options, to);
  return record_prepared("cross_correlation", to.loss, {x, y}, {to.dx, to.dy});
}

Tensor cross_correlation(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& options) {
  check_rank("cross_correlation", x, 2);
  const Outputs to{.loss = Tensor::empty({}, f32_beside(x)),
                   .correlation = Tensor::empty({x.shape().back(), x.shape().back()}, f32_beside(x))};
  run(x, y, options, to);
  return to.correlation;
}

}  // namespace nagare
