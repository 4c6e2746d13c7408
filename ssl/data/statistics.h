#pragma once
// Mean and standard deviation of every channel of u8 images.
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct ChannelStatistics {
  std::vector<float> mean;  // of the [0, 1] range
  std::vector<float> std;   // sqrt(E[x^2] - E[x]^2); 1 for a constant channel
};

// images  (N, H, W, 3) u8 on the CPU, N >= 1. Sums are integers, hence exact and the same for any number of
//         threads.
ChannelStatistics channel_statistics(const Tensor& images);

}  // namespace nagare::ssl
