#include "engine/ops/sinkhorn.h"

#include <stdexcept>

#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/sinkhorn.h"

namespace nagare {

Tensor sinkhorn(const Tensor& scores, const SinkhornSettings& settings, const Tensor& queue) {
  check_activation("sinkhorn", scores);
  if (queue.defined()) {
    check_dtype("sinkhorn", queue, scores.dtype());
    check_same_device("sinkhorn", scores, queue);
  }
  const bool matrices = scores.shape().rank() == 2 && (!queue.defined() || queue.shape().rank() == 2);
  if (!matrices || (queue.defined() && queue.shape()[1] != scores.shape()[1])) {
    throw std::invalid_argument("sinkhorn: scores " + to_string(scores.shape()) +
                                (queue.defined() ? ", queue " + to_string(queue.shape()) : "") +
                                ", need (samples, prototypes), as many prototypes in both");
  }
  const kernels::Sinkhorn p{
      .rows = scores.shape()[0],
      .cols = scores.shape()[1],
      .queue_rows = queue.defined() ? queue.shape()[0] : 0,
      .epsilon = settings.epsilon,
      .iterations = settings.iterations,
      .domain = settings.log_domain ? kernels::SinkhornDomain::log : kernels::SinkhornDomain::linear};
  p.check();
  const TensorOptions f32{.dtype = DType::f32, .device = scores.device()};
  const Tensor q = Tensor::empty(scores.shape(), f32);
  const Tensor workspace = Tensor::empty({p.workspace_floats()}, f32);
  for_activation_type("sinkhorn", scores.dtype(), [&]<class T>(T) {
    const T* more = queue.defined() ? queue.data<T>() : nullptr;
    NAGARE_DISPATCH(scores.device(), sinkhorn(p, scores.data<T>(), more, q.data<float>(),
                                              workspace.data<float>(), scores.stream()));
  });
  return q;
}

}  // namespace nagare
