#include "engine/ops/batch_norm.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "kernels/batch_norm.h"
#include "kernels/dispatch.h"

namespace nagare {
namespace {

void check_columns(const Tensor& x, const Tensor& t, const char* name) {
  if (t.shape() != Shape{x.shape().back()} || t.dtype() != DType::f32) {
    throw std::invalid_argument(std::string("batch_norm: ") + name + " " + to_string(t.shape()) + " " +
                                to_string(t.dtype()) + ", x " + to_string(x.shape()) +
                                ": need one f32 value per channel");
  }
}

void check(const Tensor& x, const BatchNormState& state, const BatchNorm& options, const Tensor& residual) {
  if (x.shape().rank() < 1) throw std::invalid_argument("batch_norm: x is a scalar, need (..., channels)");
  if (state.gamma.defined() != state.beta.defined() ||
      state.running_mean.defined() != state.running_var.defined()) {
    throw std::invalid_argument(
        "batch_norm: gamma and beta, and running_mean and running_var, come in pairs");
  }
  if (state.gamma.defined()) check_columns(x, state.gamma, "gamma");
  if (state.gamma.defined()) check_columns(x, state.beta, "beta");
  if (state.running_mean.defined()) check_columns(x, state.running_mean, "running_mean");
  if (state.running_mean.defined()) check_columns(x, state.running_var, "running_var");
  if (!options.training && !state.running_mean.defined()) {
    throw std::invalid_argument("batch_norm: evaluation needs running_mean and running_var");
  }
  if (residual.defined() && (residual.shape() != x.shape() || residual.dtype() != x.dtype())) {
    throw std::invalid_argument("batch_norm: residual " + to_string(residual.shape()) + " " +
                                to_string(residual.dtype()) + ", x " + to_string(x.shape()) + " " +
                                to_string(x.dtype()) + ": need the same");
  }
}

float* data_or_null(const Tensor& t) { return t.defined() ? t.data<float>() : nullptr; }

kernels::BatchNormColumns columns_of(const Tensor& mean, const Tensor& inv_std, const BatchNormState& state) {
  return {mean.data<float>(), inv_std.data<float>(), data_or_null(state.gamma), data_or_null(state.beta)};
}

// What the backward needs, all detached. y: only where a residual went into ReLU, whose mask it then tells.
struct Saved {
  kernels::BatchNorm p;
  Tensor x, y, mean, inv_std;
  BatchNormState state;
};

template <class T>
std::vector<Tensor> gradients(const Saved& s, const Tensor& dy) {
  const Tensor dx = empty_like(s.x);
  const Tensor dresidual = s.y.defined() ? empty_like(s.x) : Tensor();
  const Tensor dgamma = empty_like(s.mean);
  const Tensor dbeta = empty_like(s.mean);
  const Tensor workspace = Tensor::empty({s.p.workspace_floats()}, s.mean.options());
  const kernels::BatchNormInputs<T> in{s.x.data<T>(), s.y.defined() ? s.y.data<T>() : nullptr, dy.data<T>()};
  const kernels::BatchNormGradients<T> out{dx.data<T>(), dresidual.defined() ? dresidual.data<T>() : nullptr,
                                           dgamma.data<float>(), dbeta.data<float>()};
  NAGARE_DISPATCH(dy.device(), batch_norm_backward(s.p, in, columns_of(s.mean, s.inv_std, s.state),
                                                   workspace.data<float>(), out, dy.stream()));
  return {dx, dgamma, dbeta, dresidual.defined() ? dresidual : dy};
}

}  // namespace

Tensor batch_norm(const Tensor& x, const BatchNormState& state, const BatchNorm& options,
                  const Tensor& residual) {
  check(x, state, options, residual);
  const kernels::BatchNorm p{.rows = x.shape().rows(),
                             .channels = x.shape().back(),
                             .momentum = options.momentum,
                             .epsilon = options.epsilon,
                             .training = options.training,
                             .relu = options.relu};
  p.check();
  const Tensor y = empty_like(x);
  const Tensor mean = Tensor::empty({p.channels}, {.dtype = DType::f32, .device = x.device()});
  const Tensor inv_std = empty_like(mean);
  for_activation_type("batch_norm", x.dtype(), [&]<class T>(T) {
    const Tensor workspace = Tensor::empty({p.workspace_floats()}, mean.options());
    const kernels::BatchNormStatistics statistics{mean.data<float>(), inv_std.data<float>(),
                                                  data_or_null(state.running_mean),
                                                  data_or_null(state.running_var)};
    NAGARE_DISPATCH(x.device(),
                    batch_norm_statistics(p, x.data<T>(), workspace.data<float>(), statistics, x.stream()));
    NAGARE_DISPATCH(x.device(),
                    batch_norm_apply(p, x.data<T>(), residual.defined() ? residual.data<T>() : nullptr,
                                     columns_of(mean, inv_std, state), y.data<T>(), x.stream()));
  });
  Saved saved{p,    x.detach(), options.relu && residual.defined() ? y.detach() : Tensor(),
              mean, inv_std,    {state.gamma.detach(), state.beta.detach(), {}, {}}};
  return tape::record(y, {x, state.gamma, state.beta, residual},
                      [saved = std::move(saved)](const Tensor& dy) -> std::vector<Tensor> {
                        return for_activation_type("batch_norm", dy.dtype(),
                                                   [&]<class T>(T) { return gradients<T>(saved, dy); });
                      });
}

}  // namespace nagare
