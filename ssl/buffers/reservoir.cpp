#include "ssl/buffers/reservoir.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "engine/device/errors.h"

namespace nagare::ssl {
namespace {

// Slots are drawn by 32 random bits.
constexpr std::int64_t kMostPresented = (std::int64_t{1} << 32) - 2;

}  // namespace

Reservoir::Reservoir(std::int64_t capacity, const Shape& image_shape, std::uint64_t seed, Device device,
                     std::int64_t payload)
    : seed_(seed) {
  if (capacity < 1 || image_shape.rank() != 3 || payload < 0) {
    throw std::invalid_argument("reservoir: capacity " + std::to_string(capacity) + ", images " +
                                to_string(image_shape) + ", payload " + std::to_string(payload) +
                                ": need at least 1, (H, W, C) and at least 0");
  }
  stored_.images = Tensor::zeros({capacity, image_shape[0], image_shape[1], image_shape[2]},
                                 {.dtype = DType::u8, .device = device});
  stored_.ids = Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(capacity), -1), {capacity});
  seen_ = Tensor::zeros({2}, {.dtype = DType::i64});
  if (payload > 0) payload_ = Tensor::zeros({capacity, payload}, {.device = device});
}

void Reservoir::insert(const Batch& batch, const Tensor& rows) {
  const bool fits = payload_.defined() ? rows.defined() && rows.shape().rank() == 2 &&
                                             rows.shape()[1] == payload_.shape()[1] &&
                                             rows.shape()[0] >= static_cast<std::int64_t>(batch.ids.size())
                                       : !rows.defined();
  if (!fits) throw std::invalid_argument("reservoir: the payload does not fit the images it belongs to");
  std::int64_t& seen = seen_.data<std::int64_t>()[0];
  const std::int64_t before = seen_.data<std::int64_t>()[1];
  const std::int64_t capacity = stored_.ids.numel();
  if (seen + static_cast<std::int64_t>(batch.ids.size()) > kMostPresented) {
    throw BadConfig("reservoir: more than " + std::to_string(kMostPresented) +
                    " images are presented to it: need a shorter stream");
  }
  for (std::size_t i = 0; i < batch.ids.size(); ++i, ++seen) {
    std::int64_t slot = seen - before;
    if (slot >= capacity) {
      slot = Philox({.seed = seed_, .purpose = Purpose::buffer, .step = static_cast<std::uint32_t>(seen)})
                 .below(static_cast<std::uint32_t>(slot) + 1);
    }
    if (slot >= capacity) continue;
    const auto row = static_cast<std::int64_t>(i);
    stored_.images.rows(slot, 1).copy_from(batch.images.rows(row, 1));
    stored_.ids.data<std::int64_t>()[slot] = batch.ids[i];
    if (payload_.defined()) payload_.rows(slot, 1).copy_from(rows.rows(row, 1));
  }
}

void Reservoir::clear() {
  auto* seen = seen_.data<std::int64_t>();
  seen[1] = seen[0];
  std::fill_n(stored_.ids.data<std::int64_t>(), stored_.ids.numel(), -1);
}

Tensor Reservoir::payload(std::span<const std::int64_t> slots) const {
  const auto count = static_cast<std::int64_t>(slots.size());
  const Tensor rows = Tensor::empty({count, payload_.shape()[1]}, payload_.options());
  for (std::int64_t i = 0; i < count; ++i) {
    rows.rows(i, 1).copy_from(payload_.rows(slots[static_cast<std::size_t>(i)], 1));
  }
  return rows;
}

void Reservoir::set_payload(std::span<const std::int64_t> slots, const Tensor& rows) const {
  for (std::size_t i = 0; i < slots.size(); ++i)
    payload_.rows(slots[i], 1).copy_from(rows.rows(static_cast<std::int64_t>(i), 1));
}

std::int64_t Reservoir::size() const {
  const auto* seen = seen_.data<std::int64_t>();
  return std::min(seen[0] - seen[1], stored_.ids.numel());
}

std::vector<std::int64_t> Reservoir::ids() const {
  const auto* begin = stored_.ids.data<std::int64_t>();
  return {begin, begin + size()};
}

void Reservoir::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, kStoredIds);
  list.add("seen", seen_, {.min = 0, .max = kMostPresented});
  if (payload_.defined()) list.add("payload", payload_, nn::Role::buffer);
  list.add_check([this] {
    const auto* seen = seen_.data<std::int64_t>();
    if (seen[1] <= seen[0]) return std::string();
    return "reservoir: emptied after " + std::to_string(seen[1]) + " images, of " + std::to_string(seen[0]) +
           " that it has seen";
  });
}

}  // namespace nagare::ssl
