#include "engine/ops/normalize.h"

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/l2_normalize.h"

namespace nagare {

Tensor l2_normalize(const Tensor& x, float epsilon) {
  check_dtype("l2_normalize", x, DType::f32);
  check_rank("l2_normalize", x, 1);
  const kernels::L2Normalize p{.rows = x.shape().rows(), .cols = x.shape().back(), .epsilon = epsilon};
  const Tensor y = empty_like(x);
  const Tensor norm = Tensor::empty({p.rows}, x.options());
  NAGARE_DISPATCH(x.device(),
                  l2_normalize(p, x.data<float>(), y.data<float>(), norm.data<float>(), x.stream()));
  return tape::record(y, {x}, [p, y, norm](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = empty_like(dy);
    NAGARE_DISPATCH(dy.device(), l2_normalize_backward(p, y.data<float>(), norm.data<float>(),
                                                       dy.data<float>(), dx.data<float>(), dy.stream()));
    return {dx};
  });
}

}  // namespace nagare
