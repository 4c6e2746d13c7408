#include "engine/ops/conv2d.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/reduce.h"
#include "engine/vendor/convolution.h"
#include "engine/vendor/dispatch.h"

namespace nagare {
namespace {

vendor::Convolution checked(const Tensor& x, const Tensor& weight, const Tensor& bias,
                            const Conv2d& options) {
  if (x.shape().rank() != 4 || weight.shape().rank() != 4) {
    throw std::invalid_argument("conv2d: x " + to_string(x.shape()) + ", weight " +
                                to_string(weight.shape()) +
                                ": need (N, H, W, C) and (O, kernel height, kernel width, C)");
  }
  if (weight.shape()[3] != x.shape()[3]) {
    throw std::invalid_argument("conv2d: weight " + to_string(weight.shape()) + " wants " +
                                std::to_string(weight.shape()[3]) + " input channels, x " +
                                to_string(x.shape()) + " has " + std::to_string(x.shape()[3]));
  }
  if (bias.defined() && bias.shape() != Shape{weight.shape()[0]}) {
    throw std::invalid_argument("conv2d: bias " + to_string(bias.shape()) + ", weight " +
                                to_string(weight.shape()) + ": need one bias per output channel");
  }
  const vendor::Convolution p{.batch = x.shape()[0],
                              .height = x.shape()[1],
                              .width = x.shape()[2],
                              .in_channels = x.shape()[3],
                              .out_channels = weight.shape()[0],
                              .kernel_height = weight.shape()[1],
                              .kernel_width = weight.shape()[2],
                              .stride = options.stride,
                              .padding = options.padding};
  p.check();
  return p;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2d& options) {
  const vendor::Convolution p = checked(x, weight, bias, options);
  const Tensor y = Tensor::empty({p.batch, p.out_height(), p.out_width(), p.out_channels}, x.options());
  for_activation_type("conv2d", x.dtype(), [&]<class T>(T) {
    NAGARE_VENDOR_DISPATCH(
        x.device(), convolution(p, x.data<T>(), weight.data<float>(),
                                bias.defined() ? bias.data<float>() : nullptr, y.data<T>(), x.stream()));
  });
  return tape::record(
      y, {x, weight, bias},
      [p, x = x.detach(), weight = weight.detach(), x_needs = x.requires_grad(),
       weight_needs = weight.requires_grad(),
       bias_needs = bias.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
        Tensor dx;
        Tensor dw;
        for_activation_type("conv2d", x.dtype(), [&]<class T>(T) {
          if (weight_needs) {
            dw = empty_like(weight);
            NAGARE_VENDOR_DISPATCH(x.device(), convolution_backward_weights(p, x.data<T>(), dy.data<T>(),
                                                                            dw.data<float>(), x.stream()));
          }
          if (x_needs) {
            dx = empty_like(x);
            NAGARE_VENDOR_DISPATCH(
                x.device(),
                convolution_backward_data(p, dy.data<T>(), weight.data<float>(), dx.data<T>(), x.stream()));
          }
        });
        return {dx, dw, bias_needs ? sum_rows(dy) : Tensor()};
      });
}

}  // namespace nagare
