#pragma once
// Cross-entropy of every view's softmax with what other views were assigned (kernels/view_cross_entropy.h). The first A of
// V views have targets; each is compared with the V - 1 others. A scalar, the mean over pairs and images.
//
// student     (V * B, K) view-major, f32 or bf16; its gradient has its type
// targets     constants, whatever their history
// errors      std::invalid_argument with shapes, views and temperatures
#include "engine/tensor/tensor.h"

namespace nagare {

struct ViewPairs {
  std::int64_t views = 2;    // V >= 2
  std::int64_t targets = 2;  // A in [1, min(V, 8)]
  float temperature = 0.1F;  // of the student's logits
};

// q = softmax((teacher - center) / teacher_temperature); teacher (A * B, K) of the student's type, center (K) f32. DINO.
struct TeacherLogits {
  Tensor logits;
  Tensor center;
  float temperature = 0.04F;
};
Tensor view_cross_entropy(const Tensor& student, const TeacherLogits& teacher, const ViewPairs& pairs);

// q given: probabilities (A * B, K) f32. SwAV's swapped prediction.
Tensor view_cross_entropy(const Tensor& student, const Tensor& probabilities, const ViewPairs& pairs);

// center <- momentum center + (1 - momentum) mean of the rows of `logits`, in place.
void update_center(const Tensor& center, const Tensor& logits, float momentum);

}  // namespace nagare
