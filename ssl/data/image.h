#pragma once
// Image files in memory to RGB pixels: what formats mean, and what is refused.
//
//   formats      JPEG (libjpeg-turbo), PNG (libpng), BMP, PNM (P5, P6 with up to 8 bits) and TGA (stb_image),
//                told apart by their first bytes, never by the file's name
//   orientation  EXIF tag 0x0112 of JPEG and PNG is applied: 1 to 8, anything else is 1
//   grayscale    replicated to three channels
//   CMYK, YCCK   R = C K / 255 with inverted inks, as Adobe stores them; without an Adobe marker the inks are
//                not inverted and R = (255 - C)(255 - K) / 255. No colour profile is applied, to no format
//   palette      expanded; 16 bits are rounded to 8
//   alpha        composited on black: R = R A / 255
//   corrupt      a file that ends early, fails a checksum or has damaged entropy data is refused, never shown
//                in part
//
// limits are checked on the header, before pixels are allocated. A JPEG may have up to 500 scans; libjpeg gets 512 MiB.
// errors  BadData with the reason alone; the caller knows the file's name
#include <cstdint>
#include <span>
#include <vector>

namespace nagare::ssl {

struct Image {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, 3)
};

struct DecodeLimits {
  std::int64_t max_file_bytes = std::int64_t{256} << 20;
  std::int64_t max_side = 65'500;
  std::int64_t max_pixels = std::int64_t{64} << 20;
  // Pixels per byte of file, for pictures above 2^18 pixels: a decompression bomb claims more.
  std::int64_t max_pixels_per_byte = 4'000;
  // Every scan of a progressive JPEG goes over the whole picture: pixels times scans.
  std::int64_t max_scanned_pixels = std::int64_t{1} << 31;
};

using FileBytes = std::span<const std::uint8_t>;

// wanted_side > 0: the caller will shrink the picture so that its shorter side has that many pixels; a JPEG
// then may come out 1/2, 1/4 or 1/8 as large, with a shorter side of at least twice wanted_side.
Image decode_image(FileBytes file, std::int64_t wanted_side = 0, const DecodeLimits& limits = {});

// Scaled so that the shorter side has `side` pixels (triangle filter, widened when shrinking, as Pillow's),
// the middle `side` x `side` of it. Integer arithmetic: the same bytes everywhere. A picture of that size is
// returned as it is.
std::vector<std::uint8_t> fit_square(const Image& image, std::int64_t side);

// The picture as it should be seen, from how EXIF says it is stored.
Image orient(Image image, int orientation);

}  // namespace nagare::ssl
