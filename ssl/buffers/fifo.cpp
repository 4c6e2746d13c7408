#include "ssl/buffers/fifo.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace nagare::ssl {

Fifo::Fifo(std::int64_t capacity, const Shape& image_shape, Device device) {
  if (capacity < 1 || image_shape.rank() != 3) {
    throw std::invalid_argument("fifo: capacity " + std::to_string(capacity) + ", images " +
                                to_string(image_shape) + ": need at least 1 and (H, W, C)");
  }
  stored_.images = Tensor::zeros({capacity, image_shape[0], image_shape[1], image_shape[2]},
                                 {.dtype = DType::u8, .device = device});
  stored_.ids = Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(capacity), -1), {capacity});
  arrived_ = Tensor::zeros({}, {.dtype = DType::i64});
}

void Fifo::insert(const Batch& batch) {
  std::int64_t& arrived = *arrived_.data<std::int64_t>();
  for (std::size_t i = 0; i < batch.ids.size(); ++i, ++arrived) {
    const std::int64_t slot = arrived % stored_.ids.numel();
    stored_.images.rows(slot, 1).copy_from(batch.images.rows(static_cast<std::int64_t>(i), 1));
    stored_.ids.data<std::int64_t>()[slot] = batch.ids[i];
  }
}

std::int64_t Fifo::size() const { return std::min(*arrived_.data<std::int64_t>(), stored_.ids.numel()); }

std::vector<std::int64_t> Fifo::by_age() const {
  const std::int64_t arrived = *arrived_.data<std::int64_t>();
  std::vector<std::int64_t> slots;
  for (std::int64_t a = arrived - size(); a < arrived; ++a) slots.push_back(a % stored_.ids.numel());
  return slots;
}

void Fifo::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, kStoredIds);
  list.add("arrived", arrived_, nn::kCount);
}

}  // namespace nagare::ssl
