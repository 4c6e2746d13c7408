#include "engine/nn/modules.h"

#include <cmath>

#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"

namespace nagare::nn {

Conv2d::Conv2d(const Conv2dSizes& sizes, Initializer& init)
    : options{.stride = sizes.stride, .padding = sizes.padding} {
  const Shape shape{sizes.out_channels, sizes.kernel, sizes.kernel, sizes.in_channels};
  weight = init.normal(shape, kaiming_fan_out(shape));
  if (sizes.bias) bias = init.constant({sizes.out_channels}, 0.0F);
}

Tensor Conv2d::forward(const Tensor& x) const { return conv2d(x, weight, bias, options); }

void Conv2d::list_state(StateList& list) const {
  list.add("weight", weight, Role::weight, DiskLayout::conv_oihw);
  if (bias.defined()) list.add("bias", bias, Role::bias);
}

BatchNorm::BatchNorm(std::int64_t channels, Initializer& init, bool affine)
    : batches_tracked(Tensor::zeros({}, {.dtype = DType::i64})) {
  if (affine) {
    state.gamma = init.constant({channels}, 1.0F);
    state.beta = init.constant({channels}, 0.0F);
  }
  state.running_mean = Tensor::zeros({channels}, {.device = init.device()});
  state.running_var = Tensor::full({channels}, 1.0F, {.device = init.device()});
}

Tensor BatchNorm::apply(const Tensor& x, const nagare::BatchNorm& options, const Tensor& residual) const {
  const Tensor y = batch_norm(x, state, options, residual);
  if (options.training) ++*batches_tracked.data<std::int64_t>();
  return y;
}

Tensor BatchNorm::forward(const Tensor& x, bool training) const {
  return apply(x, {.training = training}, {});
}

Tensor BatchNorm::forward_relu(const Tensor& x, bool training, const Tensor& residual) const {
  return apply(x, {.training = training, .relu = true}, residual);
}

void BatchNorm::list_state(StateList& list) const {
  if (state.gamma.defined()) {
    list.add("weight", state.gamma, Role::norm);
    list.add("bias", state.beta, Role::norm);
  }
  list.add("running_mean", state.running_mean, Role::buffer);
  list.add("running_var", state.running_var, Role::buffer);
  list.add("num_batches_tracked", batches_tracked, kCount);
}

LayerNorm::LayerNorm(std::int64_t channels, Initializer& init, float epsilon_value)
    : gamma(init.constant({channels}, 1.0F)), beta(init.constant({channels}, 0.0F)), epsilon(epsilon_value) {}

GroupNorm::GroupNorm(std::int64_t channels, std::int64_t groups, Initializer& init)
    : gamma(init.constant({channels}, 1.0F)),
      beta(init.constant({channels}, 0.0F)),
      options{.groups = groups} {}

Tensor GroupNorm::forward(const Tensor& x) const { return group_norm(x, gamma, beta, options); }

void GroupNorm::list_state(StateList& list) const {
  list.add("weight", gamma, Role::norm);
  list.add("bias", beta, Role::norm);
}

Tensor LayerNorm::forward(const Tensor& x) const { return layer_norm(x, gamma, beta, epsilon); }

void LayerNorm::list_state(StateList& list) const {
  list.add("weight", gamma, Role::norm);
  list.add("bias", beta, Role::norm);
}

Linear::Linear(std::int64_t in, std::int64_t out, Initializer& init, bool with_bias) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  weight = init.uniform({out, in}, bound);
  if (with_bias) bias = init.uniform({out}, bound);
}

Tensor Linear::forward(const Tensor& x) const { return linear(x, weight, bias); }

void Linear::list_state(StateList& list) const {
  list.add("weight", weight, Role::weight);
  if (bias.defined()) list.add("bias", bias, Role::bias);
}

}  // namespace nagare::nn
