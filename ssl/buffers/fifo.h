#pragma once
// The newest M images: what arrives takes the place of what has been held longest.
#include <cstdint>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/buffers/replay.h"

namespace nagare::ssl {

class Fifo {
 public:
  // capacity >= 1; image_shape (H, W, 3). std::invalid_argument otherwise.
  Fifo(std::int64_t capacity, const Shape& image_shape, Device device);

  // In order; of a batch that is larger than the buffer the last images stay.
  void insert(const Batch& batch);
  std::int64_t size() const;
  // Slots of all entries, oldest first.
  std::vector<std::int64_t> by_age() const;
  const StoredImages& stored() const { return stored_; }
  void list_state(nn::StateList& list) const;

 private:
  StoredImages stored_;  // ids are -1 where a slot is empty
  Tensor arrived_;       // i64 scalar: images ever; image number a lies in slot a mod M
};

}  // namespace nagare::ssl
