#pragma once
// A uniform sample of everything seen so far, in fixed memory.
//
// Presentation number s (from 0) goes to slot s while s < capacity; afterwards a slot u is drawn uniformly
// from {0, ..., s} and replaced when u < capacity. Every presentation is then kept with probability capacity
// / (s + 1).
//
// random  Philox keyed by (seed, s): the same contents however the stream was cut into batches or resumed
// limits  2^32 presentations
// note    an image presented again counts again, and may be held twice
// source  Vitter, ACM TOMS 1985, algorithm R
#include <cstdint>

#include "engine/nn/state.h"
#include "ssl/buffers/replay.h"

namespace nagare::ssl {

class Reservoir {
 public:
  // capacity >= 1; image_shape (H, W, 3). std::invalid_argument otherwise.
  Reservoir(std::int64_t capacity, const Shape& image_shape, std::uint64_t seed, Device device);

  // Presents every image of the batch, in order.
  void insert(const Batch& batch);
  std::int64_t size() const;
  std::int64_t presentations() const { return seen_.data<std::int64_t>()[0]; }
  const StoredImages& stored() const { return stored_; }
  // Of the entries held.
  std::vector<std::int64_t> ids() const;
  void list_state(nn::StateList& list) const;

 private:
  std::uint64_t seed_;
  StoredImages stored_;  // ids are -1 where a slot is empty
  Tensor seen_;          // i64 scalar: presentations so far
};

}  // namespace nagare::ssl
