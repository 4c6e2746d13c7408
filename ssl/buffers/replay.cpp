#include "ssl/buffers/replay.h"

#include <algorithm>
#include <numeric>

namespace nagare::ssl {

std::vector<std::int64_t> draw_without_replacement(std::int64_t n, std::int64_t count, const RandomKey& key) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::int64_t drawn = std::min(n, count);
  Philox random(key);
  for (std::int64_t i = 0; i < drawn; ++i) {  // Fisher and Yates, as far as needed
    const std::int64_t other = i + random.below(static_cast<std::uint32_t>(n - i));
    std::swap(numbers[static_cast<std::size_t>(i)], numbers[static_cast<std::size_t>(other)]);
  }
  numbers.resize(static_cast<std::size_t>(drawn));
  return numbers;
}

std::vector<std::int64_t> draw_from(std::span<const std::int64_t> list, std::int64_t count,
                                    const RandomKey& key) {
  std::vector<std::int64_t> drawn =
      draw_without_replacement(static_cast<std::int64_t>(list.size()), count, key);
  for (std::int64_t& index : drawn) index = list[static_cast<std::size_t>(index)];
  return drawn;
}

RandomKey replay_key(std::uint64_t seed, std::int64_t step) {
  return {.seed = seed,
          .purpose = Purpose::buffer,
          .step = static_cast<std::uint32_t>(step),
          .sample = static_cast<std::uint32_t>(step >> 32),
          .view = 1};
}

Batch with_replay(const Batch& arriving, const StoredImages& stored, std::span<const std::int64_t> slots) {
  const std::int64_t first = arriving.images.defined() ? arriving.images.shape()[0] : 0;
  const auto replayed = static_cast<std::int64_t>(slots.size());
  if (replayed == 0) return arriving;
  const Shape& shape = stored.images.shape();
  Batch batch{
      .images = Tensor::empty({first + replayed, shape[1], shape[2], shape[3]}, stored.images.options()),
      .ids = first > 0 ? arriving.ids : std::vector<std::int64_t>{},
      .position = arriving.position,
      .task = arriving.task};
  if (first > 0) batch.images.rows(0, first).copy_from(arriving.images);
  for (std::int64_t i = 0; i < replayed; ++i) {
    const std::int64_t slot = slots[static_cast<std::size_t>(i)];
    batch.images.rows(first + i, 1).copy_from(stored.images.rows(slot, 1));
    batch.ids.push_back(stored.ids.data<std::int64_t>()[slot]);
  }
  return batch;
}

std::vector<std::int64_t> ids_of(const StoredImages& stored, std::span<const std::int64_t> slots) {
  std::vector<std::int64_t> ids;
  for (const std::int64_t slot : slots) ids.push_back(stored.ids.data<std::int64_t>()[slot]);
  return ids;
}

}  // namespace nagare::ssl
