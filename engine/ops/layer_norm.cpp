#include "engine/ops/layer_norm.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/layer_norm.h"

namespace nagare {

Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float epsilon) {
  check_activation("layer_norm", x);
  check_rank("layer_norm", x, 1);
  check_dtype("layer_norm", gamma, DType::f32);
  check_same_kind("layer_norm", gamma, beta);
  check_same_device("layer_norm", x, gamma);
  const kernels::LayerNorm p{.rows = x.shape().rows(), .cols = x.shape().back(), .epsilon = epsilon};
  if (gamma.shape() != Shape{p.cols}) {
    throw std::invalid_argument("layer_norm: x " + to_string(x.shape()) + ", gamma " +
                                to_string(gamma.shape()) + ": need one value per entry of x's last axis");
  }
  const Tensor mean = Tensor::empty({p.rows}, gamma.options());
  const Tensor inverse = Tensor::empty({p.rows}, gamma.options());
  const auto statistics = [mean, inverse] {
    return kernels::RowStatistics{.mean = mean.data<float>(), .inverse_deviation = inverse.data<float>()};
  };
  const Tensor y = empty_like(x);
  for_activation_type("layer_norm", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), layer_norm(p, x.data<T>(), gamma.data<float>(), beta.data<float>(),
                                           y.data<T>(), statistics(), x.stream()));
  });
  return tape::record(
      y, {x, gamma, beta},
      [p, statistics, x = x.detach(), gamma = gamma.detach(), x_learns = x.requires_grad(),
       parameters_learn =
           gamma.requires_grad() || beta.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
        const Tensor dx = x_learns ? empty_like(x) : Tensor();
        const Tensor dgamma = parameters_learn ? empty_like(gamma) : Tensor();
        const Tensor dbeta = parameters_learn ? empty_like(gamma) : Tensor();
        for_activation_type("layer_norm", dy.dtype(), [&]<class T>(T) {
          if (x_learns) {
            NAGARE_DISPATCH(dy.device(),
                            layer_norm_backward(p, x.data<T>(), gamma.data<float>(), statistics(),
                                                dy.data<T>(), dx.data<T>(), dy.stream()));
          }
          if (parameters_learn) {
            NAGARE_DISPATCH(dy.device(),
                            layer_norm_parameter_gradients(
                                p, x.data<T>(), statistics(), dy.data<T>(),
                                {.gamma = dgamma.data<float>(), .beta = dbeta.data<float>()}, dy.stream()));
          }
        });
        return {dx, dgamma, dbeta};
      });
}

}  // namespace nagare
