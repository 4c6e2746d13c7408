#pragma once
// The decoders behind ssl/data/image.h, one per library, and what they share.
#include <cstdint>
#include <string>

#include "ssl/data/image.h"

namespace nagare::ssl {

// A decoded picture and how it is stored: EXIF orientation 1 to 8.
struct StoredImage {
  Image image;
  int orientation = 1;
};

StoredImage decode_jpeg(FileBytes file, std::int64_t wanted_side, const DecodeLimits& limits);
StoredImage decode_png(FileBytes file, const DecodeLimits& limits);
StoredImage decode_bmp(FileBytes file, const DecodeLimits& limits);
StoredImage decode_pnm(FileBytes file, const DecodeLimits& limits);
StoredImage decode_tga(FileBytes file, const DecodeLimits& limits);
// TGA files have no magic number: whether the header makes sense as one.
bool looks_like_tga(FileBytes file);

// BadData unless the size is within limits for a file of that many bytes.
void check_size(std::int64_t width, std::int64_t height, FileBytes file, const DecodeLimits& limits);

// RGBA pixels composited on black.
Image from_rgba(const std::uint8_t* rgba, std::int64_t width, std::int64_t height);

// The orientation in a TIFF structure (what EXIF wraps); 1 when there is none or it makes no sense.
int exif_orientation(FileBytes tiff);

}  // namespace nagare::ssl
