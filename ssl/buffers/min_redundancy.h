#pragma once
// A buffer that drops what it already has: the images whose features are most like another's.
//
// insert    appends images without features; the lifespan of all that are held grows by one
// update    after a training step, with the unit embedding v of an entry: its feature becomes v the first
//           time, then normalise(keep * feature + (1 - keep) * v)
// evict(M)  drops n = size - M entries. Candidates are those with a feature. With fewer than 2n candidates
//           the n of the longest lifespan go. Otherwise n times: find the most similar pair of candidates
//           left (largest cosine) and drop its older member; among equally similar pairs the one whose
//           older member is oldest.
//
// ties      exact: s(i, j) and s(j, i) have the same bits (kernels/redundancy.h)
// age       arrival numbers, not places: places are reused
// cost      evict: c D multiply-adds for each of the c candidates that arrived, left or was updated since the last
//           eviction; who is most similar to whom is kept in between. No c x c matrix
// state     images on the training device, the rest on the CPU. What is kept of similarities is not listed: after a
//           resume it is made anew from the features, and the same entries go. Load state into a new buffer
// source    Purushwalkam et al., ECCV 2022, section 4.2 (minimum redundancy replay)
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/nn/state.h"
#include "kernels/redundancy.h"
#include "ssl/buffers/replay.h"

namespace nagare::ssl {

struct MinRedundancyShape {
  std::int64_t slots = 0;  // most entries held at any time: capacity + the largest arriving batch
  std::int64_t embedding_dim = 0;
  Shape image_shape{32, 32, 3};
  Device device = Device::cpu;
};

class MinRedundancyBuffer {
 public:
  // std::invalid_argument for slots or embedding_dim < 1, or images that are not (H, W, C)
  explicit MinRedundancyBuffer(const MinRedundancyShape& shape);

  // std::invalid_argument when the batch does not fit.
  void insert(const Batch& batch);
  // Row i of embedding (f32, unit rows) belongs to entry slots[i].
  void update_features(std::span<const std::int64_t> slots, const Tensor& embedding, float keep);
  void evict(std::int64_t capacity);

  std::int64_t size() const;
  // Slots of all entries, oldest first.
  std::vector<std::int64_t> by_age() const;
  const StoredImages& stored() const { return stored_; }
  // Training steps that entry `slot` took part in; 0: it has no feature yet.
  std::int64_t uses(std::int64_t slot) const { return uses_.data<std::int64_t>()[slot]; }
  std::span<const float> feature(std::int64_t slot) const;
  void list_state(nn::StateList& list) const;

 private:
  std::vector<std::int64_t> changed_since_last(std::vector<std::int64_t>& age);
  kernels::RedundancyLists lists() const;
  std::string problem_of_arrivals() const;
  void drop(std::int64_t slot);
  void drop_oldest(std::int64_t count);
  void drop_redundant(std::int64_t count);

  StoredImages stored_;
  Tensor features_;      // (slots, D) f32
  Tensor arrival_;       // (slots) i64: number of the entry's arrival, -1 for a free slot
  Tensor lifespan_;      // (slots) i64: batches that arrived since, its own included
  Tensor uses_;          // (slots) i64
  Tensor next_arrival_;  // i64 scalar

  // Of the feature that lists_ know of a slot: which entry's, and after how many updates.
  struct Version {
    std::int64_t arrival = -1;  // -1: not a candidate
    std::int64_t uses = 0;
    bool operator==(const Version&) const = default;
  };
  std::vector<Version> known_;  // (slots)
  struct {
    Tensor similarity, partner, floor, norm;
  } lists_;
};

}  // namespace nagare::ssl
