#pragma once
// Shuffles of streams, and what tells their random keys apart.
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/philox.h"

namespace nagare::ssl {

// RandomKey::view of a key with Purpose::stream_order; append only.
inline constexpr std::uint32_t kImageView = 0;  // order of a task's images; step: the pass, sample: the task
inline constexpr std::uint32_t kClassOrderView = 1;  // order of the classes
inline constexpr std::uint32_t kSubsetView = 2;      // which images of a task are taken; sample: the task
inline constexpr std::uint32_t kPartView = 3;        // cut of all images into random parts
inline constexpr std::uint32_t kBlurView = 4;        // exchanges at a boundary; sample: the task behind it
inline constexpr std::uint32_t kDriftView = 5;       // classes of a drifting stream
inline constexpr std::uint32_t kRunView = 6;         // the path of a run's frames; sample: the image
inline constexpr std::uint32_t kJointView = 7;       // all images of a joint stream; step: the pass

// Fisher-Yates, by Purpose::stream_order whatever the key says.
inline void shuffle(std::vector<std::int64_t>& values, RandomKey key) {
  key.purpose = Purpose::stream_order;
  Philox random(key);
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random.below(static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace nagare::ssl
