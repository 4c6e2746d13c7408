#pragma once
// The order in which training images arrive: a reproducible list, a pure function of (labels, options).
//
//   seq:T  class-incremental: the classes, in `class_order`, are cut into T tasks of equally many; task after
//          task arrives, each `epochs` times in a row, freshly shuffled for each pass
//   iid    one task of all classes, shuffled
//
// Every image arrives exactly `epochs` times. Shuffles are Philox-keyed by (seed, task, epoch), so a stream
// with more epochs begins like one with fewer.
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"

namespace nagare::ssl {

struct StreamOptions {
  std::string spec = "seq:5";  // "seq:T" (class-incremental, T tasks), "iid"; see `nagare list streams`
  std::string class_order = "natural";  // "natural", "seeded", or "3,1,0,2,..." (every class once)
  std::int64_t batch = 100;  // images that arrive together; the last one or two of a pass may be smaller
  std::int64_t epochs = 1;   // passes over each task; 1 is online learning
  std::uint64_t seed = 0;
};

struct StreamBatch {
  std::int64_t task = 0;
  std::int64_t position = 0;           // images that arrived before this batch
  std::vector<std::int64_t> ids = {};  // indices into the training split
};

struct Stream {
  std::int64_t tasks = 1;
  std::vector<std::vector<std::int64_t>> task_classes;  // the classes of each task
  std::vector<StreamBatch> batches;                     // no batch spans two tasks or two epochs
};

// errors  BadConfig: unknown spec, T that does not divide into the classes, an order that is not a
//         permutation, batch or epochs below 1; BadData: a task without images
Stream make_stream(const Labels& labels, std::int64_t classes, const StreamOptions& options);

// 64 bits that change when any id, its order, or a cut between batches or tasks changes: for logs and results.
std::uint64_t stream_digest(const Stream& stream);

// The whole stream as text: totals and digest, a line per task with its classes, a line per batch with its ids.
std::string stream_to_text(const Stream& stream, const std::vector<std::string>& class_names);

}  // namespace nagare::ssl
