#include "ssl/buffers/reservoir.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace nagare::ssl {

Reservoir::Reservoir(std::int64_t capacity, const Shape& image_shape, std::uint64_t seed, Device device)
    : seed_(seed) {
  if (capacity < 1 || image_shape.rank() != 3) {
    throw std::invalid_argument("reservoir: capacity " + std::to_string(capacity) + ", images " +
                                to_string(image_shape) + ": need at least 1 and (H, W, C)");
  }
  stored_.images = Tensor::zeros({capacity, image_shape[0], image_shape[1], image_shape[2]},
                                 {.dtype = DType::u8, .device = device});
  stored_.ids = Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(capacity), -1), {capacity});
  seen_ = Tensor::zeros({}, {.dtype = DType::i64});
}

void Reservoir::insert(const Batch& batch) {
  std::int64_t& seen = *seen_.data<std::int64_t>();
  const std::int64_t capacity = stored_.ids.numel();
  for (std::size_t i = 0; i < batch.ids.size(); ++i, ++seen) {
    std::int64_t slot = seen;
    if (seen >= capacity) {
      const auto number = static_cast<std::uint32_t>(seen);
      slot = Philox({.seed = seed_, .purpose = Purpose::buffer, .step = number}).below(number + 1);
    }
    if (slot >= capacity) continue;
    stored_.images.rows(slot, 1).copy_from(batch.images.rows(static_cast<std::int64_t>(i), 1));
    stored_.ids.data<std::int64_t>()[slot] = batch.ids[i];
  }
}

std::int64_t Reservoir::size() const { return std::min(presentations(), stored_.ids.numel()); }

std::vector<std::int64_t> Reservoir::ids() const {
  const auto* begin = stored_.ids.data<std::int64_t>();
  return {begin, begin + size()};
}

void Reservoir::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, nn::Role::buffer);
  list.add("seen", seen_, nn::Role::buffer);
}

}  // namespace nagare::ssl
