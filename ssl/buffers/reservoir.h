#pragma once
// A uniform sample of everything seen so far, in fixed memory.
//
// Presentation number s (from 0, or from the last clear()) goes to slot s while s < capacity; afterwards a slot u is drawn uniformly
// from {0, ..., s} and replaced when u < capacity. Every presentation is then kept with probability capacity
// / (s + 1).
//
// random  Philox keyed by (seed, presentations ever): the same contents however the stream was cut into batches or resumed
// limits  2^32 presentations
// note    an image presented again counts again, and may be held twice
// source  Vitter, ACM TOMS 1985, algorithm R
#include <cstdint>
#include <span>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/buffers/replay.h"

namespace nagare::ssl {

class Reservoir {
 public:
  // capacity >= 1; image_shape (H, W, 3). std::invalid_argument otherwise.
  // payload: numbers that are kept with every image, >= 0.
  Reservoir(std::int64_t capacity, const Shape& image_shape, std::uint64_t seed, Device device,
            std::int64_t payload = 0);

  // Presents every image of the batch, in order. With a payload, `rows` (B or more, payload) f32 holds each image's.
  void insert(const Batch& batch, const Tensor& rows = {});
  // Forgets everything; the count of presentations goes on, so that the draws are other ones.
  void clear();
  std::int64_t size() const;
  std::int64_t presentations() const { return seen_.data<std::int64_t>()[0]; }
  // What is kept with the images of these slots: (slots, payload).
  Tensor payload(std::span<const std::int64_t> slots) const;
  // From now on it is `rows` (slots, payload) f32.
  void set_payload(std::span<const std::int64_t> slots, const Tensor& rows) const;
  const StoredImages& stored() const { return stored_; }
  // Of the entries held.
  std::vector<std::int64_t> ids() const;
  void list_state(nn::StateList& list) const;

 private:
  std::uint64_t seed_;
  StoredImages stored_;  // ids are -1 where a slot is empty
  Tensor seen_;          // i64 (2): presentations so far, and those before the last clear()
  Tensor payload_;       // (capacity, payload) f32, or undefined
};

}  // namespace nagare::ssl
