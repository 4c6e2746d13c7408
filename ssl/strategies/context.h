#pragma once
// What a continual-learning strategy is built from.
#include <algorithm>
#include <cstdint>

#include "engine/tensor/shape.h"
#include "kernels/device.h"
#include "ssl/core/method.h"
#include "ssl/core/options.h"

namespace nagare::ssl {

struct StrategyContext {
  std::int64_t capacity = 256;  // M: images that the buffer keeps, >= 1
  std::int64_t replay = 100;    // R: images replayed in an update, >= 1; fewer while the buffer holds fewer
  std::int64_t stream_batch = 100;  // B: the most images that arrive together, >= 1
  std::int64_t embedding_dim = 0;   // D: Method::embedding_dim()
  Shape image_shape{32, 32, 3};     // (H, W, 3) of the data set
  std::uint64_t seed = 0;
  Device device = Device::cpu;  // where batches live
  MethodTraits method = {};     // of the method that it goes with
  OptionValues options;

  // The most images that a draw of R from the buffer gives, after `earlier` images have come.
  std::int64_t most_drawn(std::int64_t earlier) const { return std::min({replay, capacity, earlier}); }
};

}  // namespace nagare::ssl
