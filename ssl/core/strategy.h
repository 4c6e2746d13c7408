#pragma once
// A continual-learning strategy: what a step trains on beside the arriving batch, what it adds to the loss, what it
// does to the gradient, and what it remembers. The training loop calls attach() once, and for every arriving batch:
//
//   begin_task(task)                            at the first batch of a task
//   arrive(batch)
//   K times:
//     trained = compose(batch)                  raw images: + replay, exemplars
//     views   = mix(augment(trained))           pixels of the network's input: mixup
//     output  = method loss(views)
//     total   = output.loss + penalty(update)   distillation, regularisation; or the penalty alone (replaces_loss)
//     backward(total)
//     edit_gradients(update)                    projection, clipping
//     optimiser, method.after_step()
//     after_step(update)
//   finish(batch)
//   end_task(task)                              after the last batch of a task
//
// How to write one: a class with the hooks it needs in a pair of files, a row in table.cpp, a page, a test.
// - What the loop has (method, more views, its loss on other images) comes through the Learner given to attach().
// - State is what list_state() names, made by the end of attach() and of one size ever after (counters tell how much
//   of it is in use). Between two updates, and between the last update and finish(), a run may be saved: what a hook
//   leaves for a later one across that border is state too. Parameters of its own (a predictor) are entries with a
//   parameter's role and join the optimiser; a frozen copy of a network is listed as buffers (past_network.h).
// - Randomness: kernels/philox.h by the step (buffers/replay.h: replay_key). Nothing else depends on the past.
// - Extra passes of the method's loss say so (Pass), so that queues and momentum networks stay the step's own.
// - With which methods and streams it makes no sense is said in its row (StrategyRow::needs).
#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/core/batch.h"
#include "ssl/core/learner.h"
#include "ssl/core/method.h"

namespace nagare::ssl {

// One update, as the hooks after the forward pass see it.
struct Update {
  const Batch& batch;        // what compose() returned
  const Views& views;        // what mix() returned
  const StepOutput& output;  // what the method made of them
  const Progress& progress;
};

// Where in the stream a run is.
struct Place {
  std::int64_t tasks_begun = 0;  // as begin_task() told
  std::int64_t arriving =
      0;  // images of the batch that arrive() told of and finish() has not; 0: between batches
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  // Before anything else, once. `learner` outlives the strategy.
  virtual void attach(Learner& /*learner*/) {}
  virtual void begin_task(std::int64_t /*task*/) {}
  // A batch has arrived from the stream, before any training on it.
  virtual void arrive(const Batch& /*batch*/) {}
  // What this update trains on; arriving images first, replayed ones after them. An undefined `images` skips the
  // update: there is nothing to train on yet.
  virtual Batch compose(const Batch& batch, const Progress& /*progress*/) { return batch; }
  // The most images that compose() adds to those that arrive, when `earlier` images have come before these.
  virtual std::int64_t most_replayed(std::int64_t /*earlier*/) const { return 0; }
  // The views that the method gets, of as many views and images as there were.
  virtual Views mix(const Views& views, const Batch& /*batch*/, const Progress& /*progress*/) {
    return views;
  }
  // A scalar to add to the loss; undefined: nothing.
  virtual Tensor penalty(const Update& /*update*/) { return {}; }
  // Whether penalty() is the whole loss, in place of the method's. The same through the run.
  virtual bool replaces_loss() const { return false; }
  // Between backward() and the optimiser's update: grad() of the parameters may be read and overwritten.
  virtual void edit_gradients(const Update& /*update*/) {}
  virtual void after_step(const Update& /*update*/) {}
  // Of the update just made, for the log.
  virtual std::vector<Metric> metrics() const { return {}; }
  // All K updates on this batch are done.
  virtual void finish(const Batch& /*batch*/) {}
  virtual void end_task(std::int64_t /*task*/) {}
  // The training images that it holds now, in any order: for reports, which count them by task. None: it keeps no
  // images.
  virtual std::vector<std::int64_t> stored_ids() const { return {}; }
  // All of them, also those that it does not train on yet.
  virtual std::vector<std::int64_t> held_ids() const { return stored_ids(); }
  // "" when what list_state() names can be so there, else what cannot: the file it was loaded from may be anybody's.
  virtual std::string problem_at(const Place& /*place*/) const { return ""; }
  // Buffers, counters and parameters of its own; images that it holds are listed too.
  virtual void list_state(nn::StateList& list) const = 0;
};

}  // namespace nagare::ssl
