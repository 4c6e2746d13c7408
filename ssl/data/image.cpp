#include "ssl/data/image.h"

#include <algorithm>
#include <string>

#include "engine/device/errors.h"
#include "ssl/data/image_formats.h"

namespace nagare::ssl {
namespace {

bool starts_with(FileBytes file, std::string_view magic) {
  const auto same = [](std::uint8_t byte, char c) { return byte == static_cast<std::uint8_t>(c); };
  return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.begin(),
                                                   [&](char c, std::uint8_t byte) { return same(byte, c); });
}

// The name of a format that is known but not read; "" otherwise.
std::string unsupported_format(FileBytes file) {
  if (starts_with(file, "GIF8")) return "GIF";
  if (starts_with(file, "II*") || starts_with(file, std::string_view("MM\0*", 4))) return "TIFF";
  if (starts_with(file, "8BPS")) return "Photoshop";
  if (file.size() >= 12 && starts_with(file, "RIFF") && starts_with(file.subspan(8), "WEBP")) return "WebP";
  if (file.size() >= 12 && starts_with(file.subspan(4), "ftyp")) return "HEIF or AVIF";
  if (starts_with(file, "P1") || starts_with(file, "P2") || starts_with(file, "P3") ||
      starts_with(file, "P4")) {
    return "PNM other than P5 and P6";
  }
  return "";
}

StoredImage decode_stored(FileBytes file, std::int64_t wanted_side, const DecodeLimits& limits) {
  if (starts_with(file, "\xFF\xD8\xFF")) return decode_jpeg(file, wanted_side, limits);
  if (starts_with(file, "\x89PNG\r\n\x1A\n")) return decode_png(file, limits);
  if (starts_with(file, "BM")) return decode_bmp(file, limits);
  if (starts_with(file, "P5") || starts_with(file, "P6")) return decode_pnm(file, limits);
  const std::string unsupported = unsupported_format(file);
  if (!unsupported.empty()) throw BadData("format not supported: " + unsupported);
  if (looks_like_tga(file)) return decode_tga(file, limits);
  throw BadData("not an image: needs JPEG, PNG, BMP, PNM or TGA");
}

}  // namespace

Image decode_image(FileBytes file, std::int64_t wanted_side, const DecodeLimits& limits) {
  if (file.empty()) throw BadData("empty file");
  if (static_cast<std::int64_t>(file.size()) > limits.max_file_bytes) {
    throw BadData("file of " + std::to_string(file.size()) + " bytes; at most " +
                  std::to_string(limits.max_file_bytes) + " are read");
  }
  StoredImage stored = decode_stored(file, wanted_side, limits);
  return orient(std::move(stored.image), stored.orientation);
}

void check_size(std::int64_t width, std::int64_t height, FileBytes file, const DecodeLimits& limits) {
  constexpr std::int64_t kSmall = 1 << 18;
  const auto bytes = static_cast<std::int64_t>(file.size());
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width < 1 || height < 1 || width > limits.max_side || height > limits.max_side) {
    throw BadData(size + ": needs sides from 1 to " + std::to_string(limits.max_side));
  }
  if (width * height > limits.max_pixels) {
    throw BadData(size + ": at most " + std::to_string(limits.max_pixels) + " pixels are decoded");
  }
  if (width * height > kSmall && width * height / bytes > limits.max_pixels_per_byte) {
    throw BadData(size + " in a file of " + std::to_string(bytes) +
                  " bytes: refused as a decompression bomb");
  }
}

Image from_rgba(const std::uint8_t* rgba, std::int64_t width, std::int64_t height) {
  Image image{.width = width, .height = height, .pixels = {}};
  image.pixels.resize(static_cast<std::size_t>(width * height * 3));
  for (std::int64_t i = 0; i < width * height; ++i) {
    const unsigned alpha = rgba[4 * i + 3];
    for (std::int64_t c = 0; c < 3; ++c) {
      image.pixels[static_cast<std::size_t>(3 * i + c)] =
          static_cast<std::uint8_t>((rgba[4 * i + c] * alpha + 127) / 255);
    }
  }
  return image;
}

Image orient(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image seen{.width = transposed ? image.height : image.width,
             .height = transposed ? image.width : image.height,
             .pixels = {}};
  seen.pixels.resize(image.pixels.size());
  for (std::int64_t y = 0; y < seen.height; ++y) {
    for (std::int64_t x = 0; x < seen.width; ++x) {
      // Stored place of the pixel that is seen at (x, y): transpose first, then mirror and flip in stored axes.
      std::int64_t column = transposed ? y : x;
      std::int64_t row = transposed ? x : y;
      if (mirrored) column = image.width - 1 - column;
      if (flipped) row = image.height - 1 - row;
      const auto from = image.pixels.begin() + (row * image.width + column) * 3;
      std::copy(from, from + 3, seen.pixels.begin() + (y * seen.width + x) * 3);
    }
  }
  return seen;
}

int exif_orientation(FileBytes tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I' && tiff[1] == 'I';
  if (!little && !(tiff[0] == 'M' && tiff[1] == 'M')) return 1;
  const auto number = [&](std::size_t at, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      const std::uint32_t byte = tiff[at + static_cast<std::size_t>(i)];
      value |= byte << (8 * (little ? i : bytes - 1 - i));
    }
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (number(2, 2) != 42 || directory < 8 || directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const std::uint32_t value = number(entry + 8, 2);  // type 3, count 1: the value stands in the entry
    return number(entry + 2, 2) == 3 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace nagare::ssl
