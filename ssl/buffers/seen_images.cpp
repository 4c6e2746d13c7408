#include "ssl/buffers/seen_images.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace nagare::ssl {

SeenImages::SeenImages(std::int64_t images) {
  if (images < 1) {
    throw std::invalid_argument("seen images: a set of " + std::to_string(images) + ", need at least 1");
  }
  marks_ = Tensor::zeros({images}, {.dtype = DType::u8});
}

void SeenImages::insert(const Batch& batch) {
  for (const std::int64_t id : batch.ids) {
    if (id < 0 || id >= marks_.numel()) {
      throw std::out_of_range("seen images: id " + std::to_string(id) + " in a set of " +
                              std::to_string(marks_.numel()));
    }
    marks_.data<std::uint8_t>()[id] = 1;
  }
}

bool SeenImages::any(const Batch& batch) const {
  return std::ranges::any_of(batch.ids,
                             [&](std::int64_t id) { return marks_.data<std::uint8_t>()[id] != 0; });
}

void SeenImages::clear() { marks_.fill_zero(); }

std::vector<std::int64_t> SeenImages::ids(std::int64_t most) const {
  std::vector<std::int64_t> all;
  for (std::int64_t id = 0; id < marks_.numel(); ++id) {
    if (marks_.data<std::uint8_t>()[id] != 0) all.push_back(id);
  }
  const auto count = static_cast<std::int64_t>(all.size());
  if (most <= 0 || count <= most) return all;
  std::vector<std::int64_t> some;
  for (std::int64_t i = 0; i < most; ++i) some.push_back(all[static_cast<std::size_t>(i * count / most)]);
  return some;
}

}  // namespace nagare::ssl
