#include "ssl/data/png_writer.h"

#include <png.h>

#include <stdexcept>

namespace nagare::ssl {
namespace {

constexpr int kStrongestCompression = 9;

void append(png_structp png, png_bytep data, std::size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), count);
}

// Thrown through libpng, which must not go on after an error.
[[noreturn]] void fail(png_structp /*png*/, png_const_charp message) {
  throw std::runtime_error(std::string("encode_png: ") + message);
}

// libpng's two structures, freed whatever happens.
struct Writer {
  Writer() : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, &fail, nullptr)) {
    if (png == nullptr) throw std::bad_alloc();
    info = png_create_info_struct(png);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  png_structp png;
  png_infop info = nullptr;
};

}  // namespace

std::string encode_png(const Image& image) {
  if (image.width < 1 || image.height < 1 ||
      static_cast<std::int64_t>(image.pixels.size()) != image.width * image.height * 3) {
    throw std::invalid_argument("encode_png: " + std::to_string(image.pixels.size()) +
                                " bytes for a picture of " + std::to_string(image.width) + " x " +
                                std::to_string(image.height) + " x 3");
  }
  std::string bytes;
  const Writer writer;
  png_set_write_fn(writer.png, &bytes, &append, nullptr);
  png_set_compression_level(writer.png, kStrongestCompression);
  png_set_filter(writer.png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  for (std::int64_t y = 0; y < image.height; ++y) {
    png_write_row(writer.png, image.pixels.data() + y * image.width * 3);
  }
  png_write_end(writer.png, nullptr);
  return bytes;
}

}  // namespace nagare::ssl
