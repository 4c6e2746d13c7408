#include "engine/ops/reduce.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/log_sum_exp.h"
#include "kernels/reduce.h"

namespace nagare {
namespace {

using kernels::Axis;

Tensor reduce(const kernels::Reduce& p, const Tensor& x, const Shape& shape) {
  const Tensor y = Tensor::empty(shape, {.device = x.device()});
  for_activation_type("reduce", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), reduce_sum(p, x.data<T>(), y.data<float>(), x.stream()));
  });
  return tape::record(
      y, {x}, [p, shape = x.shape(), dtype = x.dtype()](const Tensor& dy) -> std::vector<Tensor> {
        const Tensor dx = Tensor::empty(shape, {.dtype = dtype, .device = dy.device()});
        for_activation_type("reduce", dtype, [&]<class T>(T) {
          NAGARE_DISPATCH(dy.device(), spread(p, dy.data<float>(), dx.data<T>(), dy.stream()));
        });
        return {dx};
      });
}

// 1 / count as the scale of a mean.
kernels::Reduce mean_over(const char* op, const Tensor& x, const Axis& axis) {
  if (axis.count == 0) {
    throw std::invalid_argument(std::string(op) + ": shape " + to_string(x.shape()) +
                                ", a mean over nothing");
  }
  return {.axis = axis, .scale = 1.0F / static_cast<float>(axis.count)};
}

Shape without_last(const Shape& shape) { return Shape(shape.sizes().first(shape.sizes().size() - 1)); }

Axis everything(const char* op, const Tensor& x) {
  check_activation(op, x);
  return {.count = x.numel()};
}
Axis rows_of(const char* op, const Tensor& x) {
  check_activation(op, x);
  check_rank(op, x, 1);
  return {.count = x.shape().rows(), .inner = x.shape().back()};
}
Axis columns_of(const char* op, const Tensor& x) {
  check_activation(op, x);
  check_rank(op, x, 1);
  return {.outer = without_last(x.shape()).numel(), .count = x.shape().back()};
}

}  // namespace

Tensor sum(const Tensor& x) { return reduce({.axis = everything("sum", x)}, x, {}); }
Tensor mean(const Tensor& x) { return reduce(mean_over("mean", x, everything("mean", x)), x, {}); }

Tensor sum_rows(const Tensor& x) {
  const Axis rows = rows_of("sum_rows", x);
  return reduce({.axis = rows}, x, {rows.inner});
}
Tensor mean_rows(const Tensor& x) {
  const Axis rows = rows_of("mean_rows", x);
  return reduce(mean_over("mean_rows", x, rows), x, {rows.inner});
}

Tensor sum_columns(const Tensor& x) {
  const Axis columns = columns_of("sum_columns", x);
  return reduce({.axis = columns}, x, without_last(x.shape()));
}
Tensor mean_columns(const Tensor& x) {
  const Axis columns = columns_of("mean_columns", x);
  return reduce(mean_over("mean_columns", x, columns), x, without_last(x.shape()));
}

Tensor mean_outer(const Tensor& x) {
  check_activation("mean_outer", x);
  check_rank("mean_outer", x, 1);
  const Shape inner(x.shape().sizes().subspan(1));
  return reduce(mean_over("mean_outer", x, {.count = x.shape()[0], .inner = inner.numel()}), x, inner);
}

Tensor log_sum_exp(const Tensor& x) {
  check_dtype("log_sum_exp", x, DType::f32);
  check_rank("log_sum_exp", x, 1);
  const Shape rows = without_last(x.shape());
  const kernels::LogSumExp p{.rows = rows.numel(), .cols = x.shape().back()};
  const Tensor max = Tensor::empty(rows, x.options());
  const Tensor log_sum = Tensor::empty(rows, x.options());
  const Tensor y = Tensor::empty(rows, x.options());
  NAGARE_DISPATCH(x.device(),
                  row_log_sum(p, x.data<float>(), max.data<float>(), log_sum.data<float>(), x.stream()));
  NAGARE_DISPATCH(x.device(), linear_combination({.n = p.rows}, max.data<float>(), log_sum.data<float>(),
                                                 y.data<float>(), x.stream()));
  return tape::record(y, {x}, [p, x = x.detach(), max, log_sum](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(x);
    NAGARE_DISPATCH(dy.device(),
                    log_sum_exp_backward(p, x.data<float>(), max.data<float>(), log_sum.data<float>(),
                                         dy.data<float>(), dx.data<float>(), dy.stream()));
    return {dx};
  });
}

}  // namespace nagare
