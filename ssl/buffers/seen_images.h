#pragma once
// Which training images have arrived: a mark per image of the data set, for strategies that go over a task's images
// once more when it ends. Holds no pixels.
#include <cstdint>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/core/batch.h"

namespace nagare::ssl {

class SeenImages {
 public:
  // images: of the training set. std::invalid_argument below 1.
  explicit SeenImages(std::int64_t images);

  // std::out_of_range for an id that is not of the set.
  void insert(const Batch& batch);
  // Whether an image of the batch is marked.
  bool any(const Batch& batch) const;
  void clear();
  // Ascending; `most` > 0: that many at most, evenly spaced.
  std::vector<std::int64_t> ids(std::int64_t most = 0) const;
  void list_state(nn::StateList& list) const { list.add("seen", marks_, nn::Role::buffer); }

 private:
  Tensor marks_;  // (images) u8
};

}  // namespace nagare::ssl
