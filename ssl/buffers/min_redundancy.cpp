#include "ssl/buffers/min_redundancy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kLanes = 16;

// Sixteen partial sums, then their sum from first to last: the order of additions is the same for (a, b) and (b, a).
NAGARE_SIMD float dot(const float* a, const float* b, std::int64_t n) {
  float lanes[kLanes] = {};
  const std::int64_t whole = n - n % kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  float sum = 0.0F;
  for (const float lane : lanes) sum += lane;
  for (std::int64_t i = whole; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// A row's most similar other row; the lower index among equals.
struct Partner {
  float similarity = std::numeric_limits<float>::lowest();
  std::int64_t index = -1;
};

struct Rows {
  const float* values;
  std::int64_t dim;
  Partner partner(std::int64_t row, const std::vector<char>& alive) const {
    Partner best;
    for (std::int64_t other = 0; other < static_cast<std::int64_t>(alive.size()); ++other) {
      if (other == row || alive[static_cast<std::size_t>(other)] == 0) continue;
      const float similarity = dot(values + row * dim, values + other * dim, dim);
      if (similarity > best.similarity) best = {similarity, other};
    }
    return best;
  }
};

Tensor integers(std::int64_t count, std::int64_t value) {
  return Tensor::from(std::vector<std::int64_t>(static_cast<std::size_t>(count), value), {count});
}

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
  std::vector<std::int64_t> candidates;
  for (const std::int64_t slot : by_age()) {
    if (uses(slot) > 0) candidates.push_back(slot);
  }
  if (static_cast<std::int64_t>(candidates.size()) < 2 * count) {
    drop_oldest(count);
  } else {
    drop_redundant(candidates, count);
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

// candidates: oldest first, so a lower row is older, and the first row that attains the largest similarity is
// the older member of its pair.
void MinRedundancyBuffer::drop_redundant(const std::vector<std::int64_t>& candidates, std::int64_t count) {
  const auto rows = static_cast<std::int64_t>(candidates.size());
  const std::int64_t dim = features_.shape()[1];
  std::vector<float> packed(static_cast<std::size_t>(rows * dim));
  for (std::int64_t r = 0; r < rows; ++r) {
    std::ranges::copy(feature(candidates[static_cast<std::size_t>(r)]), packed.begin() + r * dim);
  }
  const Rows matrix{packed.data(), dim};
  std::vector<char> alive(static_cast<std::size_t>(rows), 1);
  std::vector<Partner> partners(static_cast<std::size_t>(rows));
  const auto refresh = [&](std::int64_t r) {
    partners[static_cast<std::size_t>(r)] = matrix.partner(r, alive);
  };
  parallel_for(rows, refresh);
  for (std::int64_t step = 0; step < count; ++step) {
    const auto most = std::ranges::max_element(partners, {}, &Partner::similarity);  // the first of equals
    const std::int64_t gone = most - partners.begin();
    drop(candidates[static_cast<std::size_t>(gone)]);
    alive[static_cast<std::size_t>(gone)] = 0;
    *most = {.similarity = -std::numeric_limits<float>::infinity(), .index = -1};  // below every row left
    std::vector<std::int64_t> bereft;
    for (std::int64_t r = 0; r < rows; ++r) {
      if (partners[static_cast<std::size_t>(r)].index == gone) bereft.push_back(r);
    }
    parallel_for(static_cast<std::int64_t>(bereft.size()),
                 [&](std::int64_t i) { refresh(bereft[static_cast<std::size_t>(i)]); });
  }
}

void MinRedundancyBuffer::list_state(nn::StateList& list) const {
  list.add("images", stored_.images, nn::Role::buffer);
  list.add("ids", stored_.ids, nn::Role::buffer);
  list.add("features", features_, nn::Role::buffer);
  list.add("arrival", arrival_, nn::Role::buffer);
  list.add("lifespan", lifespan_, nn::Role::buffer);
  list.add("uses", uses_, nn::Role::buffer);
  list.add("next_arrival", next_arrival_, nn::Role::buffer);
}

}  // namespace nagare::ssl
