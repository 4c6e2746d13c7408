#pragma once
// Many small planes as one picture: a grid of tiles with a gap of one pixel.
#include <span>
#include <vector>

#include "ssl/data/image.h"

namespace nagare::apps {

struct TileSize {
  std::int64_t height;
  std::int64_t width;
};

// Tiles (height, width, 3), row by row, `columns` in a row. Gaps are white.
ssl::Image tiled(const std::vector<std::vector<std::uint8_t>>& tiles, TileSize size, std::int64_t columns);

// Values of one tile, 3 per pixel, from [-largest, largest] to 0 .. 255: no change is grey.
std::vector<std::uint8_t> around_grey(std::span<const float> values);
// One value per pixel, from [least, largest] to a scale from dark blue over green to yellow; all equal: dark.
std::vector<std::uint8_t> heat(std::span<const float> values);

}  // namespace nagare::apps
