#pragma once
// Soft assignments of samples to prototypes that use all prototypes equally (kernels/sinkhorn.h).
#include "engine/tensor/tensor.h"

namespace nagare {

struct SinkhornSettings {
  float epsilon = 0.05F;  // temperature of the scores; positive
  std::int64_t iterations = 3;
  bool log_domain =
      false;  // for scores that are not cosines: any finite range, a few times slower on the CPU
};

// scores (B, K) and, where there is a queue, queue (N, K) of the same type: f32 or bf16. The result (B, K), f32, has rows
// that sum to 1. It is a constant: nothing is recorded, whatever the scores' history.
// Errors: std::invalid_argument with the shapes.
Tensor sinkhorn(const Tensor& scores, const SinkhornSettings& settings, const Tensor& queue = Tensor());

}  // namespace nagare
