#pragma once
// A continual-learning strategy: what a step trains on beside the arriving batch, what it adds to the loss, and what
// it remembers. The training loop calls, for every arriving batch:
//
//   arrive(batch)
//   K times:  compose(batch, k)  ->  method loss + penalty()  ->  update  ->  after_step(...)
//   finish(batch)
#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/core/batch.h"
#include "ssl/core/method.h"

namespace nagare::ssl {

class Strategy {
 public:
  virtual ~Strategy() = default;

  virtual void begin_task(std::int64_t /*task*/) {}
  // A batch has arrived from the stream, before any training on it.
  virtual void arrive(const Batch& /*batch*/) {}
  // What update `step` trains on; arriving images first, replayed ones after them. An undefined `images` skips the
  // update: there is nothing to train on yet.
  virtual Batch compose(const Batch& batch, const Progress& /*progress*/) { return batch; }
  // A scalar to add to the loss; undefined: nothing.
  virtual Tensor penalty() { return {}; }
  // `trained` is what compose() returned, `output` what the method made of it.
  virtual void after_step(const Batch& /*trained*/, const StepOutput& /*output*/,
                          const Progress& /*progress*/) {}
  // All K updates on this batch are done.
  virtual void finish(const Batch& /*batch*/) {}
  virtual void end_task(std::int64_t /*task*/) {}
  // The training images that it holds now, in any order: for reports, which count them by task. None: it keeps no
  // images.
  virtual std::vector<std::int64_t> stored_ids() const { return {}; }
  // Buffers and counters; images that it holds are listed too.
  virtual void list_state(nn::StateList& list) const = 0;
  // What list_state()'s tensors held when saved is back in place: rebuild whatever is derived from them.
  virtual void state_restored() {}
};

}  // namespace nagare::ssl
