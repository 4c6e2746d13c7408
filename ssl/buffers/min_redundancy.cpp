#include "ssl/buffers/min_redundancy.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/redundancy.h"

namespace nagare::ssl {
namespace {

Tensor integers(std::int64_t count, std::int64_t value) {
  return Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(count), value), {count});
}

Tensor bytes(std::int64_t count) { return Tensor::empty({count}, {.dtype = DType::u8}); }

}  // namespace

MinRedundancyBuffer::MinRedundancyBuffer(const MinRedundancyShape& shape) {
  if (shape.slots < 1 || shape.embedding_dim < 1 || shape.image_shape.rank() != 3) {
    throw std::invalid_argument("minimum-redundancy buffer: " + std::to_string(shape.slots) +
                                " slots, embedding of " + std::to_string(shape.embedding_dim) + ", images " +
                                to_string(shape.image_shape) + ": need at least 1, at least 1 and (H, W, C)");
  }
  const Shape& image = shape.image_shape;
  stored_.images = Tensor::zeros({shape.slots, image[0], image[1], image[2]},
                                 {.dtype = DType::u8, .device = shape.device});
  stored_.ids = integers(shape.slots, -1);
  features_ = Tensor::zeros({shape.slots, shape.embedding_dim});
  arrival_ = integers(shape.slots, -1);
  lifespan_ = integers(shape.slots, 0);
  uses_ = integers(shape.slots, 0);
  next_arrival_ = Tensor::zeros({}, {.dtype = DType::i64});
  known_.resize(static_cast<std::size_t>(shape.slots));
  const kernels::Redundancy p{.slots = shape.slots, .dim = shape.embedding_dim};
  lists_.similarity = Tensor::empty({shape.slots * kernels::kPartners});
  lists_.partner = bytes(lists_.similarity.numel() * static_cast<std::int64_t>(sizeof(std::int32_t)));
  lists_.floor = Tensor::empty({shape.slots});
  lists_.norm = Tensor::empty({shape.slots});
  kernels::cpu::redundancy_clear(p, lists(), nullptr);
}

kernels::RedundancyLists MinRedundancyBuffer::lists() const {
  return {.similarity = lists_.similarity.data<float>(),
          .partner = static_cast<std::int32_t*>(lists_.partner.raw()),
          .floor = lists_.floor.data<float>(),
          .norm = lists_.norm.data<float>()};
}

std::vector<std::int64_t> MinRedundancyBuffer::by_age() const {
  const auto* arrival = arrival_.data<std::int64_t>();
  std::vector<std::int64_t> slots;
  for (std::int64_t slot = 0; slot < arrival_.numel(); ++slot) {
    if (arrival[slot] >= 0) slots.push_back(slot);
  }
  std::ranges::sort(slots, {}, [arrival](std::int64_t slot) { return arrival[slot]; });
  return slots;
}

std::int64_t MinRedundancyBuffer::size() const {
  const auto* arrival = arrival_.data<std::int64_t>();
  return std::count_if(arrival, arrival + arrival_.numel(), [](std::int64_t number) { return number >= 0; });
}

std::span<const float> MinRedundancyBuffer::feature(std::int64_t slot) const {
  const std::int64_t dim = features_.shape()[1];
  return {features_.data<float>() + slot * dim, static_cast<std::size_t>(dim)};
}

void MinRedundancyBuffer::insert(const Batch& batch) {
  const auto count = static_cast<std::int64_t>(batch.ids.size());
  if (size() + count > arrival_.numel()) {
    throw std::invalid_argument("minimum-redundancy buffer: " + std::to_string(size()) + " entries and " +
                                std::to_string(count) + " arriving, room for " +
                                std::to_string(arrival_.numel()));
  }
  auto* arrival = arrival_.data<std::int64_t>();
  auto* lifespan = lifespan_.data<std::int64_t>();
  std::int64_t slot = 0;
  for (std::int64_t i = 0; i < count; ++i, ++slot) {
    while (arrival[slot] >= 0) ++slot;
    stored_.images.rows(slot, 1).copy_from(batch.images.rows(i, 1));
    stored_.ids.data<std::int64_t>()[slot] = batch.ids[static_cast<std::size_t>(i)];
    arrival[slot] = (*next_arrival_.data<std::int64_t>())++;
    lifespan[slot] = 0;
    uses_.data<std::int64_t>()[slot] = 0;
  }
  for (std::int64_t s = 0; s < arrival_.numel(); ++s) lifespan[s] += arrival[s] >= 0 ? 1 : 0;
}

void MinRedundancyBuffer::update_features(std::span<const std::int64_t> slots, const Tensor& embedding,
                                          float keep) {
  const std::int64_t dim = features_.shape()[1];
  if (embedding.shape() != Shape{static_cast<std::int64_t>(slots.size()), dim}) {
    throw std::invalid_argument("minimum-redundancy buffer: embedding " + to_string(embedding.shape()) +
                                " for " + std::to_string(slots.size()) + " entries of width " +
                                std::to_string(dim));
  }
  const std::vector<float> rows = embedding.to_vector<float>();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const float* row = rows.data() + static_cast<std::int64_t>(i) * dim;
    float* feature = features_.data<float>() + slots[i] * dim;
    if (uses_.data<std::int64_t>()[slots[i]]++ == 0) {
      std::copy_n(row, dim, feature);
      continue;
    }
    double squared = 0.0;
    for (std::int64_t d = 0; d < dim; ++d) {
      feature[d] = keep * feature[d] + (1.0F - keep) * row[d];
      squared += static_cast<double>(feature[d]) * feature[d];
    }
    const auto inverse = static_cast<float>(1.0 / std::max(std::sqrt(squared), 1e-12));
    for (std::int64_t d = 0; d < dim; ++d) feature[d] *= inverse;
  }
}

void MinRedundancyBuffer::evict(std::int64_t capacity) {
  const std::int64_t count = size() - capacity;
  if (count <= 0) return;
  const std::vector<std::int64_t> slots = by_age();
  const auto candidates = std::ranges::count_if(slots, [&](std::int64_t slot) { return uses(slot) > 0; });
  if (candidates < 2 * count) {
    drop_oldest(count);
  } else {
    drop_redundant(count);
  }
}

void MinRedundancyBuffer::drop(std::int64_t slot) {
  arrival_.data<std::int64_t>()[slot] = -1;
  stored_.ids.data<std::int64_t>()[slot] = -1;
}

void MinRedundancyBuffer::drop_oldest(std::int64_t count) {
  std::vector<std::int64_t> slots = by_age();
  const auto* lifespan = lifespan_.data<std::int64_t>();
  std::ranges::stable_sort(slots, std::greater{}, [lifespan](std::int64_t slot) { return lifespan[slot]; });
  for (std::int64_t i = 0; i < count; ++i) drop(slots[static_cast<std::size_t>(i)]);
}

// Slots whose feature the lists do not know; sets `age` to the candidates' arrivals, -1 elsewhere.
std::vector<std::int64_t> MinRedundancyBuffer::changed_since_last(std::vector<std::int64_t>& age) {
  const auto* arrival = arrival_.data<std::int64_t>();
  std::vector<std::int64_t> changed;
  age.assign(known_.size(), -1);
  for (std::int64_t slot = 0; slot < arrival_.numel(); ++slot) {
    const auto at = static_cast<std::size_t>(slot);
    const bool candidate = arrival[slot] >= 0 && uses(slot) > 0;
    const Version now = candidate ? Version{.arrival = arrival[slot], .uses = uses(slot)} : Version{};
    age[at] = now.arrival;
    if (now == known_[at]) continue;
    known_[at] = now;
    changed.push_back(slot);
  }
  return changed;
}

void MinRedundancyBuffer::drop_redundant(std::int64_t count) {
  const kernels::Redundancy p{.slots = arrival_.numel(), .dim = features_.shape()[1]};
  const Tensor scratch = bytes(p.scratch_bytes(Device::cpu));
  std::vector<std::int64_t> age;
  const std::vector<std::int64_t> changed = changed_since_last(age);
  kernels::cpu::redundancy_update(p, features_.data<float>(), age.data(), changed.data(),
                                  static_cast<std::int64_t>(changed.size()), lists(), scratch.raw(), nullptr);
  std::vector<std::int64_t> victims(static_cast<std::size_t>(count));
  kernels::cpu::redundancy_evict(p, features_.data<float>(), age.data(), count, lists(), victims.data(),
                                 scratch.raw(), nullptr);
  for (const std::int64_t slot : victims) {
    if (slot < 0) throw std::logic_error("minimum-redundancy buffer: nothing is left to drop");
    drop(slot);
    known_[static_cast<std::size_t>(slot)] = {};
  }
}

// "" when each entry arrived by itself, and before those that will.
std::string MinRedundancyBuffer::problem_of_arrivals() const {
  const auto* arrival = arrival_.data<std::int64_t>();
  const std::int64_t next = *next_arrival_.data<std::int64_t>();
  std::int64_t before = -1;
  for (const std::int64_t slot : by_age()) {
    if (arrival[slot] == before)
      return "minimum-redundancy buffer: two of its images arrived as number " + std::to_string(before);
    before = arrival[slot];
  }
  if (before < next) return "";
  return "minimum-redundancy buffer: it holds image " + std::to_string(before) + " of " +
         std::to_string(next) + " that have arrived";
}

void MinRedundancyBuffer::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, kStoredIds);
  list.add("features", features_, nn::Role::buffer);
  list.add("arrival", arrival_, {.min = -1, .max = nn::kCount.max});
  list.add("lifespan", lifespan_, nn::kCount);
  list.add("uses", uses_, nn::kCount);
  list.add("next_arrival", next_arrival_, nn::kCount);
  list.add_check([this] { return problem_of_arrivals(); });
}

}  // namespace nagare::ssl
