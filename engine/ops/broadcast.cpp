#include "engine/ops/broadcast.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/broadcast.h"
#include "kernels/dispatch.h"
#include "kernels/reduce.h"

namespace nagare {
namespace {

using kernels::Axis;
using kernels::Broadcast;
using kernels::BroadcastFunction;

Tensor apply(const Broadcast& p, const Tensor& x, const Tensor& v) {
  const Tensor y = empty_like(x);
  for_activation_type("broadcast", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), broadcast(p, x.data<T>(), v.data<float>(), y.data<T>(), x.stream()));
  });
  return y;
}

// dv of y = x + v (x undefined) and of y = x v.
Tensor value_gradient(const Axis& axis, const Shape& shape, const Tensor& x, const Tensor& dy) {
  const Tensor dv = Tensor::empty(shape, {.device = dy.device()});
  for_activation_type("broadcast", dy.dtype(), [&]<class T>(T) {
    if (x.defined()) {
      NAGARE_DISPATCH(dy.device(),
                      reduce_dot({.axis = axis}, x.data<T>(), dy.data<T>(), dv.data<float>(), dy.stream()));
    } else {
      NAGARE_DISPATCH(dy.device(), reduce_sum({.axis = axis}, dy.data<T>(), dv.data<float>(), dy.stream()));
    }
  });
  return dv;
}

Tensor add(const Axis& axis, const Tensor& x, const Tensor& v) {
  return tape::record(
      apply({BroadcastFunction::add, axis}, x, v), {x, v},
      [axis, shape = v.shape(), v_learns = v.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
        return {dy, v_learns ? value_gradient(axis, shape, Tensor(), dy) : Tensor()};
      });
}

Tensor multiply(const Axis& axis, const Tensor& x, const Tensor& v) {
  const Broadcast p{BroadcastFunction::multiply, axis};
  return tape::record(apply(p, x, v), {x, v},
                      [p, x = x.detach(), v = v.detach(), x_learns = x.requires_grad(),
                       v_learns = v.requires_grad()](const Tensor& dy) -> std::vector<Tensor> {
                        return {x_learns ? apply(p, dy, v) : Tensor(),
                                v_learns ? value_gradient(p.axis, v.shape(), x, dy) : Tensor()};
                      });
}

Axis row_axis(const char* op, const Tensor& x, const Tensor& row) {
  check_activation(op, x);
  check_dtype(op, row, DType::f32);
  check_same_device(op, x, row);
  if (x.shape().rank() < 1 || row.shape() != Shape{x.shape().back()}) {
    throw std::invalid_argument(std::string(op) + ": x " + to_string(x.shape()) + ", row " +
                                to_string(row.shape()) + ": need one value per entry of x's last axis");
  }
  return {.outer = 1, .count = x.shape().rows(), .inner = x.shape().back()};
}

Axis column_axis(const char* op, const Tensor& x, const Tensor& column) {
  check_activation(op, x);
  check_dtype(op, column, DType::f32);
  check_same_device(op, x, column);
  check_rank(op, x, 1);
  if (column.shape() != Shape(x.shape().sizes().first(x.shape().sizes().size() - 1))) {
    throw std::invalid_argument(std::string(op) + ": x " + to_string(x.shape()) + ", column " +
                                to_string(column.shape()) + ": need x's shape without its last axis");
  }
  return {.outer = column.numel(), .count = x.shape().back(), .inner = 1};
}

}  // namespace

Tensor add_row(const Tensor& x, const Tensor& row) { return add(row_axis("add_row", x, row), x, row); }
Tensor multiply_row(const Tensor& x, const Tensor& row) {
  return multiply(row_axis("multiply_row", x, row), x, row);
}
Tensor add_column(const Tensor& x, const Tensor& column) {
  return add(column_axis("add_column", x, column), x, column);
}
Tensor multiply_column(const Tensor& x, const Tensor& column) {
  return multiply(column_axis("multiply_column", x, column), x, column);
}

}  // namespace nagare
