#pragma once
// Constant masks to add to a matrix of logits: 0 where an entry takes part, -infinity where it does not.
#include <cstdint>
#include <functional>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

// Which entry of the matrix, named so that the two cannot be swapped.
struct MaskEntry {
  std::int64_t row;
  std::int64_t column;
};

// (rows, columns) f32; keep(entry) decides.
Tensor logit_mask(const Shape& shape, Device device, const std::function<bool(MaskEntry)>& keep);

}  // namespace nagare::ssl
