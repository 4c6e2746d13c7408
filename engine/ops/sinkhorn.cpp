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
  const bool matrices =
      scores.shape().rank() == 2 && (!queue.defined() || queue.shape().rank() == 2) && settings.groups >= 1;
  const std::int64_t queue_rows = matrices && queue.defined() ? queue.shape()[0] : 0;
  const bool alike = matrices && (!queue.defined() || queue.shape()[1] == scores.shape()[1]);
  if (!alike || scores.shape()[0] % settings.groups != 0 || queue_rows % settings.groups != 0) {
    throw std::invalid_argument("sinkhorn: scores " + to_string(scores.shape()) +
                                (queue.defined() ? ", queue " + to_string(queue.shape()) : "") + ", " +
                                std::to_string(settings.groups) +
                                " groups, need (groups * samples, prototypes), as many prototypes in both");
  }
  const kernels::Sinkhorn p{
      .rows = scores.shape()[0] / settings.groups,
      .cols = scores.shape()[1],
      .queue_rows = queue_rows / settings.groups,
      .epsilon = settings.epsilon,
      .iterations = settings.iterations,
      .domain = settings.log_domain ? kernels::SinkhornDomain::log : kernels::SinkhornDomain::linear};
  p.check();
  const TensorOptions f32{.dtype = DType::f32, .device = scores.device()};
  const Tensor q = Tensor::empty(scores.shape(), f32);
  const Tensor workspace = Tensor::empty({p.workspace_floats()}, f32);
  for_activation_type("sinkhorn", scores.dtype(), [&]<class T>(T) {
    for (std::int64_t g = 0; g < settings.groups; ++g) {
      const T* more = queue.defined() ? queue.data<T>() + g * p.queue_rows * p.cols : nullptr;
      NAGARE_DISPATCH(scores.device(), sinkhorn(p, scores.data<T>() + g * p.rows * p.cols, more,
                                                q.data<float>() + g * p.rows * p.cols,
                                                workspace.data<float>(), scores.stream()));
    }
  });
  return q;
}

}  // namespace nagare
