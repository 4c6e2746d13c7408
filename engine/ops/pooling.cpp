#include "engine/ops/pooling.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/max_pool.h"
#include "kernels/reduce.h"

namespace nagare {
namespace {

void check_images(const char* op, const Tensor& x) {
  check_activation(op, x);
  if (x.shape().rank() != 4 || x.shape()[1] < 1 || x.shape()[2] < 1) {
    throw std::invalid_argument(std::string(op) + ": x " + to_string(x.shape()) +
                                ", need (N, H, W, C), H, W >= 1");
  }
}

// y with its history, and where in its window every maximum was.
struct Pooled {
  Tensor y;
  Tensor at;
};

kernels::MaxPool sizes(const Tensor& x, const MaxPool& window) {
  check_images("max_pool", x);
  const kernels::MaxPool p{.n = x.shape()[0],
                           .height = x.shape()[1],
                           .width = x.shape()[2],
                           .channels = x.shape()[3],
                           .kernel = window.kernel,
                           .stride = window.stride,
                           .padding = window.padding};
  p.check();  // before the output's shape is computed
  return p;
}

Pooled pool(const kernels::MaxPool& p, const Tensor& x) {
  const Tensor y = Tensor::empty({p.n, p.out_height(), p.out_width(), p.channels}, x.options());
  const Tensor at = Tensor::empty(y.shape(), {.dtype = DType::u8, .device = x.device()});
  for_activation_type("max_pool", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), max_pool(p, x.data<T>(), y.data<T>(), at.data<std::uint8_t>(), x.stream()));
  });
  const auto backward = [p, at, shape = x.shape()](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = Tensor::empty(shape, dy.options());
    for_activation_type("max_pool", dy.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(dy.device(),
                      max_pool_backward(p, at.data<std::uint8_t>(), dy.data<T>(), dx.data<T>(), dy.stream()));
    });
    return {dx};
  };
  return {tape::record(y, {x}, backward), at};
}

}  // namespace

Tensor max_pool(const Tensor& x, const MaxPool& window) { return pool(sizes(x, window), x).y; }

MaxPoolResult max_pool_with_indices(const Tensor& x, const MaxPool& window) {
  const kernels::MaxPool p = sizes(x, window);
  const auto [y, at] = pool(p, x);
  const Tensor indices = Tensor::empty(y.shape(), {.dtype = DType::i64, .device = x.device()});
  NAGARE_DISPATCH(x.device(),
                  max_pool_index(p, at.data<std::uint8_t>(), indices.data<std::int64_t>(), x.stream()));
  return {y, indices};
}

Tensor global_average_pool(const Tensor& x) {
  check_images("global_average_pool", x);
  const std::int64_t pixels = x.shape()[1] * x.shape()[2];
  const kernels::Reduce p{.axis = {.outer = x.shape()[0], .count = pixels, .inner = x.shape()[3]},
                          .scale = 1.0F / static_cast<float>(pixels)};
  const Tensor y = Tensor::empty({x.shape()[0], x.shape()[3]}, x.options());
  for_activation_type("global_average_pool", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), reduce_sum(p, x.data<T>(), y.data<T>(), x.stream()));
  });
  return tape::record(y, {x}, [p, shape = x.shape()](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = Tensor::empty(shape, dy.options());
    for_activation_type("global_average_pool", dy.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(dy.device(), spread(p, dy.data<T>(), dx.data<T>(), dy.stream()));
    });
    return {dx};
  });
}

}  // namespace nagare
