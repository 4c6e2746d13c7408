#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "engine/device/errors.h"
#include "ssl/data/image_formats.h"

namespace nagare::ssl {
namespace {

constexpr png_alloc_size_t kMaxChunkMemory = 8 << 20;

struct Source {
  FileBytes left;
  char message[128] = {};
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left.size()) png_error(png, "the file ends early");
  std::memcpy(to, source->left.data(), count);
  source->left = source->left.subspan(count);
}

std::uint32_t big_endian(FileBytes file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | file[at + i];
  return value;
}

// libpng allocates what a chunk promises before it reads the chunk: every one must lie in the file, up to IEND.
void check_chunks(FileBytes file) {
  constexpr std::size_t kFrame = 12;  // length, name, checksum
  constexpr std::uint32_t kEnd = 0x49454E44;
  for (std::size_t at = 8; file.size() - at >= kFrame;) {
    const std::size_t length = big_endian(file, at);
    if (length > file.size() - at - kFrame) break;
    if (big_endian(file, at + 4) == kEnd) return;
    at += kFrame + length;
  }
  throw BadData("PNG: the file ends early");
}

// A reader that is destroyed whatever happens. The steps return false after an error; none has locals that a
// longjmp would skip the destructors of.
class Decoder {
 public:
  explicit Decoder(FileBytes file) : source_{.left = file} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source_, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw OutOfMemory("PNG: no memory for its reader");
    }
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(const DecodeLimits& limits) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    // Profiles and texts can unpack to far more than the file's size, and nothing here needs them.
    static const png_byte skipped[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, skipped, 5);
    png_set_user_limits(png_, static_cast<png_uint_32>(limits.max_side),
                        static_cast<png_uint_32>(limits.max_side));
    png_set_chunk_malloc_max(png_, kMaxChunkMemory);
    png_set_chunk_cache_max(png_, 16);
    // A damaged chunk is an error of the file, also one that libpng would do without (transparency, orientation).
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_read_fn(png_, &source_, read_bytes);
    png_read_info(png_, info_);
    return true;
  }
  // Everything becomes 8-bit RGB, or RGBA where the picture has transparency.
  bool start() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return png_get_rowbytes(png_, info_) == std::size_t{png_get_channels(png_, info_)} * width();
  }
  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, info_);
    return true;
  }

  std::int64_t width() const { return png_get_image_width(png_, info_); }
  std::int64_t height() const { return png_get_image_height(png_, info_); }
  bool transparent() const { return png_get_channels(png_, info_) == 4; }
  int orientation() const {
    png_uint_32 bytes = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &bytes, &exif) == 0 || exif == nullptr) return 1;
    return exif_orientation({exif, bytes});
  }
  [[noreturn]] void fail() const { throw BadData(std::string("PNG: ") + source_.message); }

 private:
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

StoredImage decode_png(FileBytes file, const DecodeLimits& limits) {
  check_chunks(file);
  Decoder decoder(file);
  if (!decoder.read_header(limits)) decoder.fail();
  const std::int64_t width = decoder.width();
  const std::int64_t height = decoder.height();
  check_size(width, height, file, limits);
  if (!decoder.start()) decoder.fail();
  const std::int64_t channels = decoder.transparent() ? 4 : 3;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width * height * channels));
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < height; ++y) rows.push_back(pixels.data() + y * width * channels);
  if (!decoder.read_rows(rows.data())) decoder.fail();
  StoredImage stored{.image = {.width = width, .height = height, .pixels = {}},
                     .orientation = decoder.orientation()};
  if (decoder.transparent()) {
    stored.image = from_rgba(pixels.data(), width, height);
  } else {
    stored.image.pixels = std::move(pixels);
  }
  return stored;
}

}  // namespace nagare::ssl
