#include "engine/ops/view_cross_entropy.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "engine/ops/reduce.h"
#include "kernels/dispatch.h"
#include "kernels/view_cross_entropy.h"

namespace nagare {
namespace {

constexpr const char* kName = "view_cross_entropy";

// What the targets are made from: one of the two is defined.
struct Targets {
  TeacherLogits teacher;
  Tensor probabilities;

  template <class T>
  kernels::ViewTargets<T> view() const {
    if (probabilities.defined()) return {.probabilities = probabilities.data<float>()};
    return {.logits = teacher.logits.data<T>(), .center = teacher.center.data<float>()};
  }
};

kernels::ViewCrossEntropy sizes_of(const Tensor& student, const Tensor& target, const ViewPairs& pairs) {
  const Shape& shape = student.shape();
  const bool matrices = shape.rank() == 2 && target.shape().rank() == 2 && pairs.views >= 2 &&
                        shape.numel() > 0 && shape[0] % pairs.views == 0;
  const std::int64_t batch = matrices ? shape[0] / pairs.views : 0;
  if (!matrices || target.shape() != Shape{pairs.targets * batch, shape[1]}) {
    throw std::invalid_argument(std::string(kName) + ": student " + to_string(shape) + ", targets " +
                                to_string(target.shape()) + ", " + std::to_string(pairs.views) + " views, " +
                                std::to_string(pairs.targets) +
                                " with targets: need (views * B, K) and (targets * B, K), B and K >= 1");
  }
  return {.batch = batch,
          .cols = shape[1],
          .views = pairs.views,
          .targets = pairs.targets,
          .temperature = pairs.temperature};
}

Tensor record(const Tensor& student, const Targets& targets, const kernels::ViewCrossEntropy& p) {
  p.check();
  const TensorOptions f32{.dtype = DType::f32, .device = student.device()};
  const Tensor saved = Tensor::empty({p.saved_floats()}, f32);
  const Tensor workspace = Tensor::empty({p.workspace_floats()}, f32);
  const Tensor losses = Tensor::empty({p.batch}, f32);
  for_activation_type(kName, student.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(student.device(),
                    view_cross_entropy(p, student.data<T>(), targets.view<T>(), saved.data<float>(),
                                       losses.data<float>(), workspace.data<float>(), student.stream()));
  });
  return tape::record(
      mean(losses), {student},
      [p, targets, saved, s = student.detach()](const Tensor& dy) -> std::vector<Tensor> {
        const Tensor ds = empty_like(s);
        for_activation_type(kName, s.dtype(), [&]<class T>(T) {
          NAGARE_DISPATCH(dy.device(),
                          view_cross_entropy_backward(p, s.data<T>(), targets.view<T>(), saved.data<float>(),
                                                      dy.data<float>(), ds.data<T>(), dy.stream()));
        });
        return {ds};
      });
}

void check_center(const char* op, const Tensor& logits, const Tensor& center) {
  check_activation(op, logits);
  check_dtype(op, center, DType::f32);
  check_same_device(op, logits, center);
  if (logits.shape().rank() != 2 || center.numel() != logits.shape()[1]) {
    throw std::invalid_argument(std::string(op) + ": logits " + to_string(logits.shape()) + ", center " +
                                to_string(center.shape()) + ", need (rows, K) and K numbers");
  }
}

}  // namespace

Tensor view_cross_entropy(const Tensor& student, const TeacherLogits& teacher, const ViewPairs& pairs) {
  check_center(kName, teacher.logits, teacher.center);
  check_dtype(kName, student, teacher.logits.dtype());
  check_same_device(kName, student, teacher.logits);
  kernels::ViewCrossEntropy p = sizes_of(student, teacher.logits, pairs);
  p.target_temperature = teacher.temperature;
  // A copy of the centre: its owner will move it before the backward has run.
  return record(student, {{teacher.logits.detach(), teacher.center.clone(), teacher.temperature}, {}}, p);
}

Tensor view_cross_entropy(const Tensor& student, const Tensor& probabilities, const ViewPairs& pairs) {
  check_activation(kName, student);
  check_dtype(kName, probabilities, DType::f32);
  check_same_device(kName, student, probabilities);
  return record(student, {{}, probabilities.detach()}, sizes_of(student, probabilities, pairs));
}

void update_center(const Tensor& center, const Tensor& logits, float momentum) {
  check_center("update_center", logits, center);
  const kernels::CenterUpdate p{.rows = logits.shape()[0], .cols = logits.shape()[1], .momentum = momentum};
  for_activation_type("update_center", logits.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(center.device(),
                    update_center(p, logits.data<T>(), center.data<float>(), center.stream()));
  });
}

}  // namespace nagare
