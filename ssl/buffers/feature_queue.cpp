#include "ssl/buffers/feature_queue.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/nn/init.h"
#include "engine/ops/normalize.h"

namespace nagare::ssl {

FeatureQueue::FeatureQueue(const Shape& shape, std::uint64_t seed, Device device)
    : next_(Tensor::from(std::vector<std::int64_t>{0}, {})) {
  if (shape.rank() != 2 || shape[0] < 1 || shape[1] < 1) {
    throw std::invalid_argument("feature queue: " + to_string(shape) + ", need (keys, dim), both at least 1");
  }
  const tape::NoGrad guard;
  rows_ = l2_normalize(nn::Initializer(seed, device).normal(shape, 1.0)).detach();
}

void FeatureQueue::push(const Tensor& keys) {
  const Shape& have = keys.shape();
  const std::int64_t size = rows_.shape()[0];
  if (have.rank() != 2 || have[1] != rows_.shape()[1] || have[0] > size || keys.dtype() != DType::f32) {
    throw std::invalid_argument("feature queue: keys " + to_string(have) + " " + to_string(keys.dtype()) +
                                " for a queue of " + to_string(rows_.shape()) +
                                " f32: need rows of its width, no more than it holds");
  }
  std::int64_t& next = *next_.data<std::int64_t>();
  const std::int64_t first = std::min(have[0], size - next);
  if (first > 0) rows_.rows(next, first).copy_from(keys.detach().rows(0, first));
  if (have[0] > first) rows_.rows(0, have[0] - first).copy_from(keys.detach().rows(first, have[0] - first));
  next = (next + have[0]) % size;
}

void FeatureQueue::list_state(nn::StateList& list) const {
  list.add("queue", rows_, nn::Role::buffer);
  list.add("queue_ptr", next_, {.min = 0, .max = rows_.shape()[0] - 1});
}

}  // namespace nagare::ssl
