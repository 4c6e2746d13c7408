#include "ssl/losses/masks.h"

#include <limits>
#include <vector>

namespace nagare::ssl {

Tensor logit_mask(const Shape& shape, Device device, const std::function<bool(MaskEntry)>& keep) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  std::size_t at = 0;
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    for (std::int64_t column = 0; column < shape[1]; ++column) {
      values[at++] = keep({row, column}) ? 0.0F : -std::numeric_limits<float>::infinity();
    }
  }
  return Tensor::from(values, shape, device);
}

}  // namespace nagare::ssl
