#include "ssl/data/statistics.h"

#include <array>
#include <cmath>

#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

struct Sums {
  std::array<std::uint64_t, 3> x{};
  std::array<std::uint64_t, 3> xx{};
};

}  // namespace

ChannelStatistics channel_statistics(const Tensor& images) {
  constexpr std::int64_t kBlock = 1 << 16;  // pixels
  const std::int64_t pixels = images.numel() / 3;
  const auto* data = images.data<std::uint8_t>();
  std::vector<Sums> blocks(static_cast<std::size_t>((pixels + kBlock - 1) / kBlock));
  for_each_block(pixels, kBlock, [&](std::int64_t begin, std::int64_t end) {
    Sums sums;
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::uint64_t value = data[3 * i + static_cast<std::int64_t>(c)];
        sums.x[c] += value;
        sums.xx[c] += value * value;
      }
    }
    blocks[static_cast<std::size_t>(begin / kBlock)] = sums;
  });

  ChannelStatistics result;
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint64_t x = 0;
    std::uint64_t xx = 0;
    for (const Sums& sums : blocks) {
      x += sums.x[c];
      xx += sums.xx[c];
    }
    const double mean = static_cast<double>(x) / static_cast<double>(pixels);
    const double variance = static_cast<double>(xx) / static_cast<double>(pixels) - mean * mean;
    result.mean.push_back(static_cast<float>(mean / 255.0));
    result.std.push_back(variance > 1e-6 ? static_cast<float>(std::sqrt(variance) / 255.0) : 1.0F);
  }
  return result;
}

}  // namespace nagare::ssl
