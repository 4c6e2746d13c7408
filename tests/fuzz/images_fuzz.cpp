// Image files: jpeg and png by their libraries, plain_image for the formats without compression worth the name and for
// telling formats apart.
#include "engine/device/errors.h"
#include "ssl/data/image.h"
#include "ssl/data/image_formats.h"
#include "tests/fuzz/targets.h"
#include "tests/support/image_writer.h"

namespace nagare::fuzz {
namespace {

using test::JpegInks;
using test::Picture;

// Small, so that an input takes milliseconds; the limits of training have tests of their own.
constexpr ssl::DecodeLimits kLimits{.max_pixels = 1 << 18, .max_scanned_pixels = 1 << 24};

void check(const ssl::Image& image) {
  need(image.width >= 1 && image.height >= 1 && image.width * image.height <= kLimits.max_pixels,
       "a decoded picture is within the limits");
  need(static_cast<std::int64_t>(image.pixels.size()) == image.width * image.height * 3,
       "a decoded picture has all its pixels");
}

void run_decoder(Bytes input) {
  // Every third length as a reader that will shrink the picture.
  const std::int64_t wanted = input.size() % 3 == 0 ? 8 : 0;
  ssl::Image first;
  if (refused<BadData>([&] { first = ssl::decode_image(input, wanted, kLimits); })) return;
  check(first);
  const ssl::Image second = ssl::decode_image(input, wanted, kLimits);
  need(first.pixels == second.pixels, "a file decodes to the same pixels twice");
  need(ssl::fit_square(first, 8).size() == 8U * 8 * 3, "a square of every picture");
}

Picture ramp(int width, int height, int channels) {
  return test::make_picture(width, height, channels,
                            [](int x, int y, int c) { return (20 + 16 * x + 9 * y + 30 * c) % 256; });
}

bool has_magic(Bytes input, std::string_view magic) { return text_of(input).starts_with(magic); }

}  // namespace

void run_jpeg(Bytes input) {
  if (has_magic(input, "\xFF\xD8\xFF")) run_decoder(input);
}

void run_png(Bytes input) {
  if (has_magic(input, "\x89PNG")) run_decoder(input);
}

void run_plain_image(Bytes input) {
  if (has_magic(input, "\xFF\xD8\xFF") || has_magic(input, "\x89PNG")) return;
  ssl::exif_orientation(input);
  run_decoder(input);
}

Seeds jpeg_seeds() {
  return {test::jpeg_file(ramp(11, 7, 3)),
          test::jpeg_file(ramp(16, 16, 1), {.orientation = 6}),
          test::jpeg_file(ramp(17, 9, 3), {.progressive = true}),
          test::jpeg_file(ramp(8, 8, 4), {.inks = JpegInks::cmyk}),
          test::jpeg_file(ramp(8, 8, 4), {.progressive = true, .inks = JpegInks::adobe_ycck}),
          test::jpeg_file(ramp(64, 48, 3))};
}

Seeds png_seeds() {
  const Picture indices = test::make_picture(5, 3, 1, [](int x, int, int) { return x % 3; });
  const std::vector<std::uint8_t> palette = {255, 0, 0, 0, 200, 0, 10, 20, 30};
  return {test::png_file(ramp(7, 5, 3)),
          test::png_file(ramp(9, 4, 4), {.interlaced = true, .orientation = 5}),
          test::png_file(ramp(3, 3, 2), {.sixteen_bits = true}),
          test::png_file(ramp(1, 1, 1)),
          test::palette_png_file(indices, palette, {}),
          test::palette_png_file(indices, palette, {255, 0, 9})};
}

Seeds plain_image_seeds() {
  std::string masked = test::bmp_file(ramp(4, 3, 3));
  masked[28] = 16;  // 16 bits by masks
  masked[30] = 3;
  std::string mapped("\0\1\1\0\0\2\0\x18\0\0\0\0\3\0\2\0\x08\0", 18);  // two colours, 3 x 2
  mapped.append("\1\2\3\4\5\6", 6).append("\0\1\0\1\1\0", 6);
  return {test::bmp_file(ramp(5, 4, 3)),
          masked,
          test::pnm_file(ramp(4, 3, 3)),
          test::pnm_file(ramp(6, 2, 1)),
          test::tga_file(ramp(4, 3, 3)),
          test::tga_file(ramp(4, 3, 3), true),
          mapped,
          std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 22),
          "GIF89a..............",
          "RIFF....WEBPVP8 ......"};
}

}  // namespace nagare::fuzz
