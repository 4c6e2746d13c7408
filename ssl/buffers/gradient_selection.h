#pragma once
// A buffer whose entries have a score, 1 + the largest cosine of their gradient to others': low for what points away from
// the rest. Replacement favours low scores.
//
// offer(x)  while there is room: x is stored with the score of its batch. Afterwards, when that is below 1: a victim i is
//           drawn with probability score_i / sum of scores, x's own score c is asked for, and x takes the place of i
//           with probability score_i / (score_i + c)
//
// random  Philox keyed by (seed, presentation number): the same contents after a resume
// limits  2^32 presentations
// source  Aljundi et al., NeurIPS 2019, algorithm 2, as in the published programs of Mammoth and UCL
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/buffers/replay.h"

namespace nagare::ssl {

class GradientSelectionBuffer {
 public:
  // capacity >= 1; image_shape (H, W, 3). std::invalid_argument otherwise.
  GradientSelectionBuffer(std::int64_t capacity, const Shape& image_shape, std::uint64_t seed, Device device);

  // `single` is one image. own_score is asked when it is needed. Scores are in [0, 2].
  // returns  the slot that the image went to, if it went to one
  std::optional<std::int64_t> offer(const Batch& single, double batch_score,
                                    const std::function<double()>& own_score);
  // Different slots that are in use, `most` or all of them; the draw is that of the next presentation.
  std::vector<std::int64_t> draw_slots(std::int64_t most) const;
  std::int64_t size() const;
  std::int64_t presentations() const { return *seen_.data<std::int64_t>(); }
  double score(std::int64_t slot) const { return scores_.data<double>()[slot]; }
  const StoredImages& stored() const { return stored_; }
  std::vector<std::int64_t> ids() const;
  void list_state(nn::StateList& list) const;

 private:
  std::int64_t draw_victim(double share) const;

  std::uint64_t seed_;
  StoredImages stored_;  // ids are -1 where a slot is empty
  Tensor scores_;        // (capacity) f64
  Tensor seen_;          // i64 scalar: presentations so far
};

}  // namespace nagare::ssl
