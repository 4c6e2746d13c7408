#pragma once
// The network under evaluation and the images it looks at, for readouts that need more than features.
#include "ssl/eval/feature_input.h"

namespace nagare::ssl {

struct NetworkView {
  models::Backbone& backbone;
  const FeatureInput& input;
  const Tensor& bank_images;   // (N, H, W, 3) u8
  const Tensor& query_images;  // (Q, H, W, 3) u8
  std::int64_t batch;          // images in one forward pass
};

}  // namespace nagare::ssl
