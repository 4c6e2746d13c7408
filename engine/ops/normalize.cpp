#include "engine/ops/normalize.h"

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/l2_normalize.h"

namespace nagare {

Tensor l2_normalize(const Tensor& x, float epsilon) {
  check_activation("l2_normalize", x);
  check_rank("l2_normalize", x, 1);
  const kernels::L2Normalize p{.rows = x.shape().rows(), .cols = x.shape().back(), .epsilon = epsilon};
  const Tensor y = empty_like(x);
  const Tensor norm = Tensor::empty({p.rows}, {.dtype = DType::f32, .device = x.device()});
  for_activation_type("l2_normalize", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), l2_normalize(p, x.data<T>(), y.data<T>(), norm.data<float>(), x.stream()));
  });
  return tape::record(y, {x}, [p, y, norm](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(dy);
    for_activation_type("l2_normalize", dy.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(dy.device(), l2_normalize_backward(p, y.data<T>(), norm.data<float>(), dy.data<T>(),
                                                         dx.data<T>(), dy.stream()));
    });
    return {dx};
  });
}

}  // namespace nagare
