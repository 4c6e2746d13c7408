#include "ssl/losses/dino.h"

#include "engine/ops/view_cross_entropy.h"

namespace nagare::ssl {

Tensor dino_loss(const Tensor& student, const Tensor& teacher, const Tensor& center, const Dino& options) {
  return view_cross_entropy(
      student, {teacher, center, options.teacher_temperature},
      {.views = options.views, .targets = Dino::kGlobalViews, .temperature = options.student_temperature});
}

}  // namespace nagare::ssl
