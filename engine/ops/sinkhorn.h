#pragma once
// Soft assignments of samples to prototypes that use all prototypes equally (kernels/sinkhorn.h).
#include "engine/tensor/tensor.h"

namespace nagare {

struct SinkhornSettings {
  float epsilon = 0.05F;  // temperature of the scores; positive
  std::int64_t iterations = 3;
  std::int64_t groups = 1;  // the rows are that many equal runs, each assigned on its own (one per view)
  bool log_domain =
      false;  // for scores of any finite range, not cosines alone; a few times slower on the CPU
};

// scores (G * B, K) and, where there is a queue, queue (G * N, K) of the same type: f32 or bf16; G is `groups`. The result
// (G * B, K), f32, has rows that sum to 1. It is a constant: nothing is recorded, whatever the scores' history.
// Errors: std::invalid_argument with the shapes.
Tensor sinkhorn(const Tensor& scores, const SinkhornSettings& settings, const Tensor& queue = Tensor());

}  // namespace nagare
