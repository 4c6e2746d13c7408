#pragma once
// The last keys that were seen: a ring of K rows (MoCo's queue, NNCLR's support set).
//
//   push(keys)   row (next + i) mod K becomes key i;  next = (next + B) mod K
//
// K need not be a multiple of B: a batch that reaches the end goes on at the beginning.
// init    unit rows of normal numbers, as in MoCo: negatives that nothing is near
// source  He et al., CVPR 2020, section 3.2
#include <cstdint>
#include <string_view>

#include "engine/nn/state.h"

namespace nagare::ssl {

class FeatureQueue {
 public:
  // rows (K), dim >= 1: std::invalid_argument otherwise
  FeatureQueue(const Shape& shape, std::uint64_t seed, Device device);

  const Tensor& rows() const { return rows_; }  // (K, D) f32
  // keys (B, D) f32 on the queue's device, B <= K: std::invalid_argument otherwise
  void push(const Tensor& keys);
  // "queue" and "queue_ptr", as MoCo's checkpoints name them.
  void list_state(nn::StateList& list) const;

 private:
  Tensor rows_;
  Tensor next_;  // i64 scalar on the CPU
};

}  // namespace nagare::ssl
