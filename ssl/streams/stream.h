#pragma once
// The order in which training images arrive: a reproducible list, a pure function of (labels, options).
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"

namespace nagare::ssl {

struct StreamOptions {
  std::string spec = "seq:5";    // "seq:T" (class-incremental, T tasks), "iid"; see `nagare list streams`
  std::string class_order = "natural";  // "natural", "seeded", or "3,1,0,2,..." (every class once)
  std::int64_t batch = 100;      // images that arrive together; the last batch of a task may be smaller
  std::int64_t epochs = 1;       // passes over each task; 1 is online learning
  std::uint64_t seed = 0;
};

struct StreamBatch {
  std::int64_t task = 0;
  std::int64_t position = 0;      // images that arrived before this batch
  std::vector<std::int64_t> ids;  // indices into the training split
};

struct Stream {
  std::int64_t tasks = 1;
  std::vector<std::vector<std::int64_t>> task_classes;  // the classes of each task
  std::vector<StreamBatch> batches;
};

// errors  BadConfig: unknown spec, T that does not divide into the classes, an order that is not a permutation
Stream make_stream(const Labels& labels, std::int64_t classes, const StreamOptions& options);

}  // namespace nagare::ssl
