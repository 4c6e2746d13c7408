#include "engine/ops/linear.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/reduce.h"
#include "engine/vendor/dispatch.h"
#include "engine/vendor/matrix_product.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"

namespace nagare {
namespace {

struct Sizes {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
};

Sizes checked(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Shape& w = weight.shape();
  if (x.shape().rank() < 1 || w.rank() != 2 || x.shape().back() != w[1]) {
    throw std::invalid_argument("linear: x " + to_string(x.shape()) + ", weight " + to_string(w) +
                                ": need (..., in) and (out, in) with the same in");
  }
  if (bias.defined() && bias.shape() != Shape{w[0]}) {
    throw std::invalid_argument("linear: bias " + to_string(bias.shape()) + ", weight " + to_string(w) +
                                ": need one bias per output");
  }
  return {.rows = x.shape().rows(), .in = w[1], .out = w[0]};
}

// The f32 master weights in the compute type.
template <class T>
Tensor in_type(const Tensor& weight) {
  if constexpr (std::is_same_v<T, float>) {
    return weight.detach();
  } else {
    const Tensor rounded = Tensor::empty(weight.shape(), {.dtype = kDTypeOf<T>, .device = weight.device()});
    NAGARE_DISPATCH(weight.device(),
                    cast(weight.numel(), weight.data<float>(), rounded.data<T>(), weight.stream()));
    return rounded;
  }
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Sizes s = checked(x, weight, bias);
  std::vector<std::int64_t> sizes(x.shape().sizes().begin(), x.shape().sizes().end());
  sizes.back() = s.out;
  const Tensor y = Tensor::empty(Shape(sizes), x.options());
  for_activation_type("linear", x.dtype(), [&]<class T>(T) {
    const Tensor w = in_type<T>(weight);
    const vendor::MatrixProduct p{.rows = s.rows, .cols = s.out, .inner = s.in, .transpose_b = true};
    NAGARE_VENDOR_DISPATCH(
        x.device(), matrix_product(p, x.data<T>(), w.data<T>(), bias.defined() ? bias.data<float>() : nullptr,
                                   y.data<T>(), x.stream()));
  });
  return tape::record(
      y, {x, weight, bias},
      [s, x = x.detach(), weight = weight.detach(), x_needs = x.requires_grad(),
       weight_needs = weight.requires_grad(),
       bias_needs = bias.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
        Tensor dx;
        Tensor dw;
        for_activation_type("linear", x.dtype(), [&]<class T>(T) {
          if (x_needs) {
            dx = empty_like(x);
            const Tensor w = in_type<T>(weight);
            const vendor::MatrixProduct p{.rows = s.rows, .cols = s.in, .inner = s.out};
            NAGARE_VENDOR_DISPATCH(
                x.device(), matrix_product(p, dy.data<T>(), w.data<T>(), nullptr, dx.data<T>(), x.stream()));
          }
          if (weight_needs) {
            dw = empty_like(weight);
            const vendor::MatrixProduct p{.rows = s.out, .cols = s.in, .inner = s.rows, .transpose_a = true};
            NAGARE_VENDOR_DISPATCH(x.device(), matrix_product(p, dy.data<T>(), x.data<T>(), nullptr,
                                                              dw.data<float>(), x.stream()));
          }
        });
        return {dx, dw, bias_needs ? sum_rows(dy) : Tensor()};
      });
}

}  // namespace nagare
