#include <algorithm>
#include <cmath>
#include <vector>

#include "ssl/data/image.h"

namespace nagare::ssl {
namespace {

constexpr int kWeightBits = 22;  // as Pillow's: 8 bits of pixel and 2 of headroom are left of 32

// Which input pixels make one output pixel, with weights that add up to about 2^kWeightBits.
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
};

// Outputs [crop, crop + count) of an axis of `in` pixels scaled to `out`.
std::vector<Taps> triangle_taps(std::int64_t in, std::int64_t out, std::int64_t crop, std::int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> axis(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    Taps& taps = axis[static_cast<std::size_t>(i)];
    const double centre = (static_cast<double>(crop + i) + 0.5) * scale;
    taps.first = std::clamp<std::int64_t>(std::llround(centre - support), 0, in - 1);
    const std::int64_t end = std::clamp<std::int64_t>(std::llround(centre + support), taps.first + 1, in);
    std::vector<double> weights;
    double sum = 0.0;
    for (std::int64_t x = taps.first; x < end; ++x) {
      weights.push_back(std::max(1.0 - std::abs(static_cast<double>(x) + 0.5 - centre) / support, 0.0));
      sum += weights.back();
    }
    for (const double weight : weights) {
      taps.weights.push_back(static_cast<std::int32_t>(std::llround(weight / sum * (1 << kWeightBits))));
    }
  }
  return axis;
}

// One output pixel: its taps over pixels `stride` bytes apart.
void blend(const Taps& taps, const std::uint8_t* in, std::int64_t stride, std::uint8_t* out) {
  std::int64_t sum[3] = {1 << (kWeightBits - 1), 1 << (kWeightBits - 1), 1 << (kWeightBits - 1)};
  const std::uint8_t* pixel = in + taps.first * stride;
  for (const std::int32_t weight : taps.weights) {
    for (int c = 0; c < 3; ++c) sum[c] += static_cast<std::int64_t>(weight) * pixel[c];
    pixel += stride;
  }
  for (int c = 0; c < 3; ++c)
    out[c] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum[c] >> kWeightBits, 0, 255));
}

}  // namespace

std::vector<std::uint8_t> fit_square(const Image& image, std::int64_t side) {
  if (image.width == side && image.height == side) return image.pixels;
  const std::int64_t shorter = std::min(image.width, image.height);
  const std::int64_t width = image.width * side / shorter;
  const std::int64_t height = image.height * side / shorter;
  const std::vector<Taps> columns = triangle_taps(image.width, width, (width - side) / 2, side);
  std::vector<Taps> rows = triangle_taps(image.height, height, (height - side) / 2, side);

  // Across, for the rows that the second pass needs only.
  const std::int64_t first = rows.front().first;
  const std::int64_t last = rows.back().first + static_cast<std::int64_t>(rows.back().weights.size());
  std::vector<std::uint8_t> across(static_cast<std::size_t>((last - first) * side * 3));
  for (std::int64_t y = first; y < last; ++y) {
    const std::uint8_t* in = image.pixels.data() + y * image.width * 3;
    for (std::int64_t x = 0; x < side; ++x) {
      blend(columns[static_cast<std::size_t>(x)], in, 3, across.data() + ((y - first) * side + x) * 3);
    }
  }
  std::vector<std::uint8_t> square(static_cast<std::size_t>(side * side * 3));
  for (std::int64_t y = 0; y < side; ++y) {
    Taps& taps = rows[static_cast<std::size_t>(y)];
    taps.first -= first;
    for (std::int64_t x = 0; x < side; ++x) {
      blend(taps, across.data() + x * 3, side * 3, square.data() + (y * side + x) * 3);
    }
  }
  return square;
}

}  // namespace nagare::ssl
