// BMP, PNM and TGA. stb_image does not notice that a file ends early, so the bytes that its header promises
// are counted here first; nothing but these three decoders is compiled, and its memory is ours: limited, and zero
// where it writes nothing.
#include <cstddef>
#include <cstdlib>

namespace nagare::ssl {
namespace {

// RGBA of the most pixels, once.
constexpr std::size_t kMaxBlock = std::size_t{4} * (std::size_t{64} << 20) + 64;

void* take_block(std::size_t bytes) { return bytes > kMaxBlock ? nullptr : std::calloc(1, bytes); }

}  // namespace
}  // namespace nagare::ssl

#define STBI_MALLOC(bytes) nagare::ssl::take_block(bytes)
#define STBI_REALLOC(block, bytes) nullptr  // not called by these three
#define STBI_FREE(block) std::free(block)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_PNM
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 65500
#include <stb/stb_image.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>

#include "engine/device/errors.h"
#include "ssl/data/image_formats.h"

namespace nagare::ssl {
namespace {

std::int64_t little_endian(FileBytes file, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(file[at + i]) << (8 * i);
  return static_cast<std::int64_t>(value);
}

void need_bytes(const char* format, FileBytes file, std::int64_t needed) {
  const auto found = static_cast<std::int64_t>(file.size());
  if (found < needed) {
    throw BadData(std::string(format) + ": " + std::to_string(found) + " bytes; its header promises " +
                  std::to_string(needed));
  }
}

Image decode(const char* format, FileBytes file, std::int64_t width, std::int64_t height) {
  int w = 0;
  int h = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> rgba(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &w, &h, &channels, 4),
      stbi_image_free);
  if (rgba == nullptr) throw BadData(std::string(format) + ": damaged or of a kind that is not read");
  if (w != width || h != height) throw BadData(std::string(format) + ": contradictory header");
  return from_rgba(rgba.get(), width, height);
}

// stb_image reads past the colours that a BMP has, from memory that nothing was written to.
void check_bmp_indices(FileBytes file, std::size_t at, std::int64_t width, std::int64_t rows,
                       std::int64_t bits, std::int64_t colours) {
  if (colours < 1 || colours > 256)
    throw BadData("BMP: " + std::to_string(colours) + " colours, needs 1 to 256");
  const std::int64_t row_bytes = (width * bits + 31) / 32 * 4;
  const unsigned mask = (1U << bits) - 1;
  for (std::int64_t y = 0; y < rows; ++y) {
    const FileBytes row = file.subspan(at + static_cast<std::size_t>(y * row_bytes));
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t bit = x * bits;
      const unsigned index = row[static_cast<std::size_t>(bit / 8)] >> (8 - bits - bit % 8) & mask;
      if (index >= colours) {
        throw BadData("BMP: colour " + std::to_string(index) + " of " + std::to_string(colours));
      }
    }
  }
}

// Bytes of TGA's run-length packets for so many pixels: BadData when the file ends before them.
void check_tga_packets(FileBytes file, std::size_t at, std::int64_t pixels, std::size_t pixel_bytes) {
  while (pixels > 0) {
    if (at >= file.size()) throw BadData("TGA: the file ends early");
    const std::int64_t count = (file[at] & 127) + 1;
    const bool run = (file[at] & 128) != 0;
    at += 1 + (run ? pixel_bytes : pixel_bytes * static_cast<std::size_t>(count));
    pixels -= count;
  }
  if (at > file.size()) throw BadData("TGA: the file ends early");
}

}  // namespace

StoredImage decode_bmp(FileBytes file, const DecodeLimits& limits) {
  need_bytes("BMP", file, 26);
  const bool core = little_endian(file, 14, 4) == 12;  // OS/2's short header has 16-bit sides
  if (!core) need_bytes("BMP", file, 34);
  const std::int64_t width =
      core ? little_endian(file, 18, 2) : static_cast<std::int32_t>(little_endian(file, 18, 4));
  const std::int64_t rows =
      core ? little_endian(file, 20, 2) : static_cast<std::int32_t>(little_endian(file, 22, 4));
  const std::int64_t height = std::abs(rows);  // negative: stored from the top
  const std::int64_t bits = little_endian(file, core ? 24 : 28, 2);
  const std::int64_t compression = core ? 0 : little_endian(file, 30, 4);
  check_size(width, height, file, limits);
  if (compression != 0 && compression != 3) throw BadData("BMP: compressed, which is not read");
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    throw BadData("BMP: " + std::to_string(bits) + " bits per pixel");
  const std::int64_t begin = little_endian(file, 10, 4);
  const std::int64_t header = little_endian(file, 14, 4);
  if (begin < 14 + header) throw BadData("BMP: its pixels begin in the header");
  need_bytes("BMP", file, begin + (width * bits + 31) / 32 * 4 * height);
  if (bits < 16) {
    // As stb_image counts them; of the short header it leaves four out.
    const std::int64_t colours = core ? (begin - 38) / 3 : (begin - 14 - header) / 4;
    check_bmp_indices(file, static_cast<std::size_t>(begin), width, height, bits, colours);
  }
  return {.image = decode("BMP", file, width, height)};
}

StoredImage decode_pnm(FileBytes file, const DecodeLimits& limits) {
  std::size_t at = 2;
  const auto next_number = [&]() -> std::int64_t {
    while (at < file.size() && (std::isspace(file[at]) != 0 || file[at] == '#')) {
      if (file[at] == '#') {
        while (at < file.size() && file[at] != '\n' && file[at] != '\r') ++at;
      } else {
        ++at;
      }
    }
    std::int64_t number = 0;
    bool digits = false;
    for (; at < file.size() && std::isdigit(file[at]) != 0 && number < 1'000'000; ++at) {
      number = 10 * number + (file[at] - '0');
      digits = true;
    }
    if (!digits) throw BadData("PNM: damaged header");
    return number;
  };
  const std::int64_t width = next_number();
  const std::int64_t height = next_number();
  const std::int64_t highest = next_number();
  check_size(width, height, file, limits);
  if (highest < 1 || highest > 255)
    throw BadData("PNM: highest value " + std::to_string(highest) + "; needs 1 to 255");
  const std::int64_t channels = file[1] == '6' ? 3 : 1;
  need_bytes("PNM", file, static_cast<std::int64_t>(at) + 1 + width * height * channels);
  StoredImage stored{.image = decode("PNM", file, width, height)};
  for (std::uint8_t& value : stored.image.pixels) {
    value = static_cast<std::uint8_t>(std::min<std::int64_t>((value * 255 + highest / 2) / highest, 255));
  }
  return stored;
}

bool looks_like_tga(FileBytes file) {
  if (file.size() < 18) return false;
  const int type = file[2];
  const int bits = file[16];
  const bool mapped = type == 1 || type == 9;
  const bool known_type = mapped || type == 2 || type == 3 || type == 10 || type == 11;
  const bool known_bits = bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32;
  return known_type && known_bits && file[1] == (mapped ? 1 : 0);
}

StoredImage decode_tga(FileBytes file, const DecodeLimits& limits) {
  const std::int64_t width = little_endian(file, 12, 2);
  const std::int64_t height = little_endian(file, 14, 2);
  check_size(width, height, file, limits);
  // stb_image skips as many bytes as the map's first index says.
  const std::int64_t map_bytes =
      file[1] == 1 ? little_endian(file, 3, 2) + little_endian(file, 5, 2) * ((file[7] + 7) / 8) : 0;
  const std::int64_t begin = 18 + file[0] + map_bytes;
  const std::int64_t pixel_bytes = (file[16] + 7) / 8;
  if (file[2] >= 9) {
    need_bytes("TGA", file, begin);
    check_tga_packets(file, static_cast<std::size_t>(begin), width * height,
                      static_cast<std::size_t>(pixel_bytes));
  } else {
    need_bytes("TGA", file, begin + width * height * pixel_bytes);
  }
  return {.image = decode("TGA", file, width, height)};
}

}  // namespace nagare::ssl
