#pragma once
// An RGB picture as a PNG file in memory: 8 bits, not interlaced, every filter tried, strongest compression.
// The same pixels give the same bytes with the same libpng and zlib; no time or text is inside.
//
// errors  std::invalid_argument for a picture without pixels, or whose pixels do not fit its size
#include <string>

#include "ssl/data/image.h"

namespace nagare::ssl {

std::string encode_png(const Image& image);

}  // namespace nagare::ssl
