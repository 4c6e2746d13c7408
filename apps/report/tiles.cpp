#include "apps/report/tiles.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace nagare::apps {
namespace {

constexpr std::uint8_t kGap = 255;

// Five colours of rising lightness, told apart by every eye.
constexpr std::array<std::array<float, 3>, 5> kHeat = {
    {{24, 15, 61}, {38, 76, 120}, {35, 140, 120}, {132, 196, 76}, {250, 231, 84}}};

}  // namespace

ssl::Image tiled(const std::vector<std::vector<std::uint8_t>>& tiles, TileSize size, std::int64_t columns) {
  if (tiles.empty() || columns < 1) throw std::invalid_argument("tiled: no tiles, or no columns");
  const auto count = static_cast<std::int64_t>(tiles.size());
  columns = std::min(columns, count);
  const std::int64_t rows = (count + columns - 1) / columns;
  ssl::Image image{
      .width = columns * (size.width + 1) - 1, .height = rows * (size.height + 1) - 1, .pixels = {}};
  image.pixels.assign(static_cast<std::size_t>(image.width * image.height * 3), kGap);
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t y = 0; y < size.height; ++y) {
      const std::int64_t row = t / columns * (size.height + 1) + y;
      const std::int64_t column = t % columns * (size.width + 1);
      const auto from = tiles[static_cast<std::size_t>(t)].begin() + y * size.width * 3;
      std::copy_n(from, size.width * 3, image.pixels.begin() + (row * image.width + column) * 3);
    }
  }
  return image;
}

std::vector<std::uint8_t> around_grey(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  std::vector<std::uint8_t> pixels;
  for (const float value : values) {
    const float share = largest > 0 ? value / largest : 0.0F;
    pixels.push_back(static_cast<std::uint8_t>(std::lround(127.5F + 127.5F * share)));
  }
  return pixels;
}

std::vector<std::uint8_t> heat(std::span<const float> values) {
  const auto [least, largest] = std::ranges::minmax_element(values);
  std::vector<std::uint8_t> pixels;
  for (const float value : values) {
    const float share = *largest > *least ? (value - *least) / (*largest - *least) : 0.0F;
    const float place = share * static_cast<float>(kHeat.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(place), kHeat.size() - 2);
    const float rest = place - static_cast<float>(below);
    for (std::size_t c = 0; c < 3; ++c) {
      pixels.push_back(
          static_cast<std::uint8_t>(std::lround(kHeat[below][c] * (1 - rest) + kHeat[below + 1][c] * rest)));
    }
  }
  return pixels;
}

}  // namespace nagare::apps
