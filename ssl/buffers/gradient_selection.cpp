#include "ssl/buffers/gradient_selection.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace nagare::ssl {
namespace {

// What a presentation's numbers are for.
enum Use : std::uint32_t { kCompare = 2, kReplace = 3 };

RandomKey key_of(std::uint64_t seed, std::int64_t presentation, Use use) {
  return {.seed = seed,
          .purpose = Purpose::buffer,
          .step = static_cast<std::uint32_t>(presentation),
          .sample = 0,
          .view = use};
}

}  // namespace

GradientSelectionBuffer::GradientSelectionBuffer(std::int64_t capacity, const Shape& image_shape,
                                                 std::uint64_t seed, Device device)
    : seed_(seed) {
  if (capacity < 1 || image_shape.rank() != 3) {
    throw std::invalid_argument("gradient selection: capacity " + std::to_string(capacity) + ", images " +
                                to_string(image_shape) + ": need at least 1 and (H, W, C)");
  }
  stored_.images = Tensor::zeros({capacity, image_shape[0], image_shape[1], image_shape[2]},
                                 {.dtype = DType::u8, .device = device});
  stored_.ids = Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(capacity), -1), {capacity});
  scores_ = Tensor::zeros({capacity}, {.dtype = DType::f64});
  seen_ = Tensor::zeros({}, {.dtype = DType::i64});
}

std::optional<std::int64_t> GradientSelectionBuffer::offer(const Batch& single, double batch_score,
                                                           const std::function<double()>& own_score) {
  const std::int64_t seen = (*seen_.data<std::int64_t>())++;
  std::int64_t slot = seen;
  double score = batch_score;
  if (seen >= stored_.ids.numel()) {
    if (!(batch_score < 1.0)) return std::nullopt;
    Philox random(key_of(seed_, seen, kReplace));
    slot = draw_victim(random.uniform());
    score = own_score();
    const double victim = scores_.data<double>()[slot];
    if (!(random.uniform() * (victim + score) < victim)) return std::nullopt;
  }
  stored_.images.rows(slot, 1).copy_from(single.images);
  stored_.ids.data<std::int64_t>()[slot] = single.ids.at(0);
  scores_.data<double>()[slot] = score;
  return slot;
}

std::int64_t GradientSelectionBuffer::draw_victim(double share) const {
  const double* scores = scores_.data<double>();
  const std::int64_t count = size();
  const double wanted = share * std::accumulate(scores, scores + count, 0.0);
  double sum = 0.0;
  for (std::int64_t slot = 0; slot + 1 < count; ++slot) {
    sum += scores[slot];
    if (wanted < sum) return slot;
  }
  return count - 1;
}

std::vector<std::int64_t> GradientSelectionBuffer::draw_slots(std::int64_t most) const {
  return draw_without_replacement(size(), most, key_of(seed_, presentations(), kCompare));
}

std::int64_t GradientSelectionBuffer::size() const { return std::min(presentations(), stored_.ids.numel()); }

std::vector<std::int64_t> GradientSelectionBuffer::ids() const {
  const auto* ids = stored_.ids.data<std::int64_t>();
  return {ids, ids + size()};
}

void GradientSelectionBuffer::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, kStoredIds);
  list.add("scores", scores_, nn::Role::buffer);
  list.add("seen", seen_, nn::kCount);
}

}  // namespace nagare::ssl
