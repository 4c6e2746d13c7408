#include "engine/ops/elementwise.h"

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/unary.h"

namespace nagare {
namespace {

using kernels::UnaryFunction;

Tensor combine(const Tensor& a, const Tensor& b, float alpha, float beta) {
  const Tensor y = empty_like(a);
  for_activation_type("add", a.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(a.device(), linear_combination({.n = a.numel(), .alpha = alpha, .beta = beta},
                                                   a.data<T>(), b.data<T>(), y.data<T>(), a.stream()));
  });
  return y;
}

Tensor scale_and_shift(const Tensor& x, float alpha, float beta) {
  const Tensor y = empty_like(x);
  for_activation_type("scale", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), affine({.n = x.numel(), .alpha = alpha, .beta = beta}, x.data<T>(),
                                       y.data<T>(), x.stream()));
  });
  return y;
}

Tensor product(const Tensor& a, const Tensor& b) {
  const Tensor y = empty_like(a);
  for_activation_type("multiply", a.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(a.device(), multiply(a.numel(), a.data<T>(), b.data<T>(), y.data<T>(), a.stream()));
  });
  return y;
}

Tensor apply(const char* op, UnaryFunction function, const Tensor& x) {
  check_activation(op, x);
  const kernels::Unary p{.function = function, .n = x.numel()};
  const Tensor y = empty_like(x);
  for_activation_type(op, x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), unary(p, x.data<T>(), y.data<T>(), x.stream()));
  });
  const Tensor saved = saves_output(function) ? y : x.detach();
  return tape::record(y, {x}, [p, saved](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(dy);
    for_activation_type("unary_backward", dy.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(dy.device(),
                      unary_backward(p, saved.data<T>(), dy.data<T>(), dx.data<T>(), dy.stream()));
    });
    return {dx};
  });
}

Tensor convert(const Tensor& x, DType dtype) {
  const Tensor y = Tensor::empty(x.shape(), {.dtype = dtype, .device = x.device()});
  if (dtype == DType::bf16) {
    NAGARE_DISPATCH(x.device(), cast(x.numel(), x.data<float>(), y.data<bf16>(), x.stream()));
  } else {
    NAGARE_DISPATCH(x.device(), cast(x.numel(), x.data<bf16>(), y.data<float>(), x.stream()));
  }
  return y;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  check_same_kind("add", a, b);
  return tape::record(combine(a, b, 1.0F, 1.0F), {a, b}, [](const Tensor& dy) -> std::vector<Tensor> {
    return {dy, dy};
  });
}

Tensor subtract(const Tensor& a, const Tensor& b) {
  check_same_kind("subtract", a, b);
  return tape::record(combine(a, b, 1.0F, -1.0F), {a, b}, [](const Tensor& dy) -> std::vector<Tensor> {
    return {dy, scale_and_shift(dy, -1.0F, 0.0F)};
  });
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  check_same_kind("multiply", a, b);
  return tape::record(product(a, b), {a, b},
                      [a = a.detach(), b = b.detach(), a_learns = a.requires_grad(),
                       b_learns = b.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
                        return {a_learns ? product(dy, b) : Tensor(), b_learns ? product(dy, a) : Tensor()};
                      });
}

Tensor scale(const Tensor& x, float factor) {
  check_activation("scale", x);
  return tape::record(
      scale_and_shift(x, factor, 0.0F), {x},
      [factor](const Tensor& dy) -> std::vector<Tensor> { return {scale_and_shift(dy, factor, 0.0F)}; });
}

Tensor add_scalar(const Tensor& x, float value) {
  check_activation("add_scalar", x);
  return tape::record(scale_and_shift(x, 1.0F, value), {x},
                      [](const Tensor& dy) -> std::vector<Tensor> { return {dy}; });
}

Tensor relu(const Tensor& x) { return apply("relu", UnaryFunction::relu, x); }
Tensor gelu(const Tensor& x) { return apply("gelu", UnaryFunction::gelu, x); }
Tensor mish(const Tensor& x) { return apply("mish", UnaryFunction::mish, x); }
Tensor exp(const Tensor& x) { return apply("exp", UnaryFunction::exp, x); }
Tensor log(const Tensor& x) { return apply("log", UnaryFunction::log, x); }
Tensor square(const Tensor& x) { return apply("square", UnaryFunction::square, x); }
Tensor sqrt(const Tensor& x) { return apply("sqrt", UnaryFunction::sqrt, x); }

Tensor cast(const Tensor& x, DType dtype) {
  check_activation("cast", x);
  if (dtype == x.dtype()) return x;
  for_activation_type("cast", dtype, [](auto) {});
  return tape::record(convert(x, dtype), {x}, [from = x.dtype()](const Tensor& dy) -> std::vector<Tensor> {
    return {convert(dy, from)};
  });
}

Tensor dropout(const Tensor& x, float drop_probability, const RandomKey& key) {
  check_activation("dropout", x);
  const kernels::Dropout p{.n = x.numel(), .drop_probability = drop_probability, .key = key};
  const auto drop = [p](const Tensor& in) {
    const Tensor out = empty_like(in);
    for_activation_type("dropout", in.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(in.device(), dropout(p, in.data<T>(), out.data<T>(), in.stream()));
    });
    return out;
  };
  return tape::record(drop(x), {x}, [drop](const Tensor& dy) -> std::vector<Tensor> { return {drop(dy)}; });
}

}  // namespace nagare
