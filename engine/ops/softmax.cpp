#include "engine/ops/softmax.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/cross_entropy.h"
#include "kernels/dispatch.h"
#include "kernels/log_sum_exp.h"
#include "kernels/reduce.h"
#include "kernels/row_softmax.h"

namespace nagare {
namespace {

kernels::RowSoftmax rows_of(const char* op, const Tensor& x, float temperature) {
  check_dtype(op, x, DType::f32);
  check_rank(op, x, 1);
  return {.rows = x.shape().rows(), .cols = x.shape().back(), .temperature = temperature};
}

kernels::CrossEntropy check_logits(const char* op, const Tensor& logits, const Tensor& targets,
                                   float smoothing) {
  check_activation(op, logits);
  check_same_device(op, logits, targets);
  if (logits.shape().rank() != 2 || logits.shape()[0] == 0) {
    throw std::invalid_argument(std::string(op) + ": logits " + to_string(logits.shape()) +
                                ", need (rows, classes) with at least one row");
  }
  return {.rows = logits.shape()[0], .cols = logits.shape()[1], .label_smoothing = smoothing};
}

// The softmax denominators of the rows, shared by the loss and its gradient.
struct Denominators {
  Tensor max;
  Tensor log_sum;
  kernels::RowLogSum view() const { return {max.data<float>(), log_sum.data<float>()}; }
};

Tensor one_per_row(const Tensor& x) {
  return Tensor::empty({x.shape()[0]}, {.dtype = DType::f32, .device = x.device()});
}

template <class T>
Denominators denominators(const Tensor& x) {
  const Denominators d{one_per_row(x), one_per_row(x)};
  NAGARE_DISPATCH(x.device(), row_log_sum({.rows = x.shape()[0], .cols = x.shape()[1]}, x.data<T>(),
                                          d.max.data<float>(), d.log_sum.data<float>(), x.stream()));
  return d;
}

Tensor mean_of(const Tensor& row_losses) {
  const Tensor y = Tensor::empty({}, row_losses.options());
  const std::int64_t n = row_losses.numel();
  NAGARE_DISPATCH(y.device(), reduce_sum({.axis = {.count = n}, .scale = 1.0F / static_cast<float>(n)},
                                         row_losses.data<float>(), y.data<float>(), y.stream()));
  return y;
}

}  // namespace

Tensor softmax(const Tensor& x, float temperature) {
  const kernels::RowSoftmax p = rows_of("softmax", x, temperature);
  const Tensor y = empty_like(x);
  NAGARE_DISPATCH(x.device(), row_softmax(p, x.data<float>(), y.data<float>(), x.stream()));
  return tape::record(y, {x}, [p, y](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(dy);
    NAGARE_DISPATCH(dy.device(), row_softmax_backward(p, y.data<float>(), dy.data<float>(), dx.data<float>(),
                                                      dy.stream()));
    return {dx};
  });
}

Tensor log_softmax(const Tensor& x, float temperature) {
  const kernels::RowSoftmax p = rows_of("log_softmax", x, temperature);
  const Tensor y = empty_like(x);
  NAGARE_DISPATCH(x.device(), row_log_softmax(p, x.data<float>(), y.data<float>(), x.stream()));
  return tape::record(y, {x}, [p, y](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(dy);
    NAGARE_DISPATCH(dy.device(), row_log_softmax_backward(p, y.data<float>(), dy.data<float>(),
                                                          dx.data<float>(), dy.stream()));
    return {dx};
  });
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, float label_smoothing) {
  const kernels::CrossEntropy p = check_logits("cross_entropy", logits, targets, label_smoothing);
  check_dtype("cross_entropy", targets, DType::i64);
  if (targets.shape() != Shape{p.rows}) {
    throw std::invalid_argument("cross_entropy: logits " + to_string(logits.shape()) + ", targets " +
                                to_string(targets.shape()) + ": need one target per row");
  }
  const Tensor losses = one_per_row(logits);
  Denominators d;
  for_activation_type("cross_entropy", logits.dtype(), [&]<class T>(T) {
    d = denominators<T>(logits);
    NAGARE_DISPATCH(logits.device(),
                    cross_entropy(p, logits.data<T>(), d.view(), targets.data<std::int64_t>(),
                                  losses.data<float>(), logits.stream()));
  });
  return tape::record(mean_of(losses), {logits},
                      [p, d, x = logits.detach(), targets](const Tensor& dy) -> std::vector<Tensor> {
                        const Tensor dx = empty_like(x);
                        for_activation_type("cross_entropy", x.dtype(), [&]<class T>(T) {
                          NAGARE_DISPATCH(
                              dy.device(),
                              cross_entropy_backward(p, x.data<T>(), d.view(), targets.data<std::int64_t>(),
                                                     dy.data<float>(), dx.data<T>(), dy.stream()));
                        });
                        return {dx};
                      });
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& probabilities) {
  const kernels::CrossEntropy p = check_logits("soft_cross_entropy", logits, probabilities, 0.0F);
  check_dtype("soft_cross_entropy", probabilities, DType::f32);
  if (probabilities.shape() != logits.shape()) {
    throw std::invalid_argument("soft_cross_entropy: logits " + to_string(logits.shape()) +
                                ", probabilities " + to_string(probabilities.shape()) +
                                ": need the same shape");
  }
  const Tensor losses = one_per_row(logits);
  Denominators d;
  for_activation_type("soft_cross_entropy", logits.dtype(), [&]<class T>(T) {
    d = denominators<T>(logits);
    NAGARE_DISPATCH(logits.device(),
                    soft_cross_entropy(p, logits.data<T>(), d.view(), probabilities.data<float>(),
                                       losses.data<float>(), logits.stream()));
  });
  return tape::record(
      mean_of(losses), {logits},
      [p, d, x = logits.detach(), q = probabilities.detach()](const Tensor& dy) -> std::vector<Tensor> {
        const Tensor dx = empty_like(x);
        for_activation_type("soft_cross_entropy", x.dtype(), [&]<class T>(T) {
          NAGARE_DISPATCH(dy.device(),
                          soft_cross_entropy_backward(p, x.data<T>(), d.view(), q.data<float>(),
                                                      dy.data<float>(), dx.data<T>(), dy.stream()));
        });
        return {dx};
      });
}

}  // namespace nagare
