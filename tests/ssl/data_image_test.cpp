#include <gmock/gmock.h>

#include <cmath>

#include "engine/device/errors.h"
#include "kernels/philox.h"
#include "ssl/data/image.h"
#include "ssl/data/image_formats.h"
#include "tests/support/image_writer.h"

namespace nagare::ssl {
namespace {

using test::JpegInks;
using test::Picture;
using testing::HasSubstr;
using testing::ThrowsMessage;

FileBytes bytes_of(const std::string& file) {
  return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
}
Image decode(const std::string& file) { return decode_image(bytes_of(file)); }

// Smooth, so that JPEG keeps it within a few levels; every corner and channel differs.
Picture ramp(int width, int height, int channels = 3) {
  return test::make_picture(width, height, channels,
                            [](int x, int y, int c) { return 20 + 6 * x + 3 * y + 30 * c; });
}

int largest_difference(const Image& image, const Picture& want) {
  EXPECT_EQ(image.width, want.width);
  EXPECT_EQ(image.height, want.height);
  EXPECT_EQ(image.pixels.size(), want.samples.size());
  int largest = 0;
  for (std::size_t i = 0; i < std::min(image.pixels.size(), want.samples.size()); ++i) {
    largest = std::max(largest, std::abs(image.pixels[i] - want.samples[i]));
  }
  return largest;
}

TEST(Decode, EveryFormatGivesItsPixels) {
  const Picture picture = ramp(11, 7);
  EXPECT_LE(largest_difference(decode(test::jpeg_file(picture)), picture), 3);
  EXPECT_LE(largest_difference(decode(test::jpeg_file(picture, {.progressive = true})), picture), 3);
  for (const std::string& file :
       {test::png_file(picture), test::png_file(picture, {.sixteen_bits = true}),
        test::png_file(picture, {.interlaced = true}), test::bmp_file(picture), test::pnm_file(picture),
        test::tga_file(picture), test::tga_file(picture, true)}) {
    EXPECT_EQ(largest_difference(decode(file), picture), 0);
  }
}

TEST(Decode, GrayscaleIsReplicated) {
  const Picture gray = ramp(9, 5, 1);
  const Picture want = test::make_picture(9, 5, 3, [](int x, int y, int) { return 20 + 6 * x + 3 * y; });
  EXPECT_LE(largest_difference(decode(test::jpeg_file(gray)), want), 3);
  EXPECT_EQ(largest_difference(decode(test::png_file(gray)), want), 0);
  EXPECT_EQ(largest_difference(decode(test::pnm_file(gray)), want), 0);
}

TEST(Decode, AlphaIsCompositedOnBlack) {
  const Picture rgba =
      test::make_picture(4, 3, 4, [](int x, int y, int c) { return c == 3 ? 85 * x : 60 * y + 50 * c; });
  const Picture want = test::make_picture(
      4, 3, 3, [](int x, int y, int c) { return ((60 * y + 50 * c) * 85 * x + 127) / 255; });
  EXPECT_EQ(largest_difference(decode(test::png_file(rgba)), want), 0);
  const Picture gray_alpha =
      test::make_picture(4, 3, 2, [](int x, int y, int c) { return c == 1 ? 85 * x : 60 * y; });
  const Picture gray_want =
      test::make_picture(4, 3, 3, [](int x, int y, int) { return (60 * y * 85 * x + 127) / 255; });
  EXPECT_EQ(largest_difference(decode(test::png_file(gray_alpha)), gray_want), 0);
}

TEST(Decode, PaletteIsExpandedWithItsTransparency) {
  const Picture indices = test::make_picture(3, 2, 1, [](int x, int, int) { return x; });
  const std::vector<std::uint8_t> palette = {255, 0, 0, 0, 200, 0, 10, 20, 30};
  const Picture opaque = test::make_picture(
      3, 2, 3, [&](int x, int, int c) { return palette[static_cast<std::size_t>(3 * x + c)]; });
  EXPECT_EQ(largest_difference(decode(test::palette_png_file(indices, palette, {})), opaque), 0);
  const Picture clear = test::make_picture(
      3, 2, 3, [&](int x, int, int c) { return x == 1 ? 0 : palette[static_cast<std::size_t>(3 * x + c)]; });
  EXPECT_EQ(largest_difference(decode(test::palette_png_file(indices, palette, {255, 0})), clear), 0);
}

TEST(Decode, InksBecomeRgbWithAndWithoutAdobesInversion) {
  const Picture inks = ramp(8, 8, 4);
  const auto mix = [](int ink, int black) { return (ink * black + 127) / 255; };
  const Picture adobe = test::make_picture(8, 8, 3, [&](int x, int y, int c) {
    return mix(20 + 6 * x + 3 * y + 30 * c, 20 + 6 * x + 3 * y + 90);
  });
  const Picture plain = test::make_picture(8, 8, 3, [&](int x, int y, int c) {
    return mix(235 - 6 * x - 3 * y - 30 * c, 235 - 6 * x - 3 * y - 90);
  });
  EXPECT_LE(largest_difference(decode(test::jpeg_file(inks, {.inks = JpegInks::adobe_cmyk})), adobe), 3);
  EXPECT_LE(largest_difference(decode(test::jpeg_file(inks, {.inks = JpegInks::adobe_ycck})), adobe), 4);
  EXPECT_LE(largest_difference(decode(test::jpeg_file(inks, {.inks = JpegInks::cmyk})), plain), 3);
}

// What EXIF 2.3 says of value k: where the stored row 0 and column 0 are seen.
Picture stored_as(const Picture& seen, int orientation) {
  const bool swap = orientation >= 5;
  const int width = swap ? seen.height : seen.width;
  const int height = swap ? seen.width : seen.height;
  return test::make_picture(width, height, 3, [&](int x, int y, int c) {
    int sx = x;
    int sy = y;
    switch (orientation) {
      case 2:
        sx = seen.width - 1 - x;
        break;  // row 0 top, column 0 right
      case 3:
        sx = seen.width - 1 - x;
        sy = seen.height - 1 - y;
        break;  // bottom, right
      case 4:
        sy = seen.height - 1 - y;
        break;  // bottom, left
      case 5:
        sx = y;
        sy = x;
        break;  // left, top
      case 6:
        sx = seen.width - 1 - y;
        sy = x;
        break;  // right, top
      case 7:
        sx = seen.width - 1 - y;
        sy = seen.height - 1 - x;
        break;  // right, bottom
      case 8:
        sx = y;
        sy = seen.height - 1 - x;
        break;  // left, bottom
      default:
        break;
    }
    return seen.samples[static_cast<std::size_t>((sy * seen.width + sx) * 3 + c)];
  });
}

TEST(Decode, EveryExifOrientationIsUndone) {
  const Picture seen = ramp(13, 6);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Picture stored = stored_as(seen, orientation);
    EXPECT_LE(largest_difference(decode(test::jpeg_file(stored, {.orientation = orientation})), seen), 3)
        << orientation;
    EXPECT_EQ(largest_difference(decode(test::png_file(stored, {.orientation = orientation})), seen), 0)
        << orientation;
  }
  EXPECT_LE(largest_difference(decode(test::jpeg_file(seen, {.orientation = 9})), seen), 3);
}

TEST(Exif, NonsenseIsOrientationOne) {
  std::string tiff("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 22);
  EXPECT_EQ(exif_orientation(bytes_of(tiff)), 6);  // big-endian
  for (std::size_t length = 0; length < tiff.size(); ++length)
    EXPECT_EQ(exif_orientation(bytes_of(tiff.substr(0, length))), 1);
  tiff[7] = '\xff';  // directory beyond the end
  EXPECT_EQ(exif_orientation(bytes_of(tiff)), 1);
  for (const char* offset : {"\xff\xff\xff\xff", "\xff\xff\xff\xfe"}) {
    tiff.replace(4, 4, offset);
    EXPECT_EQ(exif_orientation(bytes_of(tiff)), 1);
  }
}

std::vector<std::pair<std::string, std::string>> samples() {
  const Picture picture =
      test::make_picture(40, 30, 3, [](int x, int y, int c) { return (x * y * 7 + 31 * c) % 256; });
  return {{"jpeg", test::jpeg_file(picture, {.orientation = 6})},
          {"progressive jpeg", test::jpeg_file(picture, {.progressive = true})},
          {"png", test::png_file(picture)},
          {"interlaced png", test::png_file(picture, {.interlaced = true, .orientation = 5})},
          {"bmp", test::bmp_file(picture)},
          {"pnm", test::pnm_file(picture)},
          {"tga", test::tga_file(picture)},
          {"run-length tga", test::tga_file(picture, true)}};
}

TEST(Corrupt, EveryTruncationIsRefused) {
  for (const auto& [name, file] : samples()) {
    for (std::size_t length = 0; length < file.size(); length += 1 + length / 37) {
      EXPECT_THROW(decode(file.substr(0, length)), BadData)
          << name << " cut to " << length << " of " << file.size();
    }
    for (std::size_t cut = 1; cut <= 16; ++cut) {
      EXPECT_THROW(decode(file.substr(0, file.size() - cut)), BadData) << name << " without its last " << cut;
    }
    EXPECT_NO_THROW(decode(file)) << name;
  }
}

TEST(Corrupt, FlippedBytesEitherDecodeOrAreRefused) {
  for (const auto& [name, file] : samples()) {
    Philox random({.seed = 1, .purpose = Purpose::synthetic});
    for (int i = 0; i < 400; ++i) {
      std::string damaged = file;
      for (std::uint32_t flips = 1 + random.below(3); flips > 0; --flips) {
        const std::size_t at =
            i % 2 == 0 ? random.below(64) : random.below(static_cast<std::uint32_t>(file.size()));
        damaged[at] = static_cast<char>(random.below(256));
      }
      try {
        const Image image = decode_image(bytes_of(damaged), 0, {.max_pixels = 1 << 20});
        EXPECT_EQ(static_cast<std::int64_t>(image.pixels.size()), image.width * image.height * 3);
      } catch (const BadData&) {
      }
    }
  }
}

TEST(Corrupt, HugeHeadersAreRefusedBeforeAnythingIsAllocated) {
  const Picture picture = ramp(8, 8);
  std::string jpeg = test::jpeg_file(picture);
  const std::size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, std::string("\xff\xdc\xff\xdc"));  // 65,500 on each side
  EXPECT_THAT([&] { decode(jpeg); },
              ThrowsMessage<BadData>(HasSubstr("65500 x 65500 pixels: at most 67108864")));
  jpeg.replace(frame + 5, 4, std::string("\x1f\xff\x1f\xff"));
  EXPECT_THAT([&] { decode(jpeg); }, ThrowsMessage<BadData>(HasSubstr("decompression bomb")));
  std::string bmp = test::bmp_file(picture);
  bmp.replace(18, 8, std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f", 8));
  EXPECT_THAT([&] { decode(bmp); }, ThrowsMessage<BadData>(HasSubstr("needs sides from 1 to 65500")));
  EXPECT_THAT([] { decode("P6 60000 60000 255\n"); },
              ThrowsMessage<BadData>(HasSubstr("at most 67108864 pixels")));
  EXPECT_THAT([] { decode("P6 0 5 255\n"); }, ThrowsMessage<BadData>(HasSubstr("0 x 5 pixels")));
  std::string tga = test::tga_file(picture);
  tga.replace(12, 4, std::string("\xff\xff\xff\xff"));
  EXPECT_THAT([&] { decode(tga); }, ThrowsMessage<BadData>(HasSubstr("65535 x 65535")));
  const std::string png = test::png_file(picture);
  EXPECT_THAT([&] { decode_image(bytes_of(png), 0, {.max_pixels = 63}); },
              ThrowsMessage<BadData>(HasSubstr("at most 63 pixels")));
  EXPECT_THAT([&] { decode_image(bytes_of(png), 0, {.max_side = 7}); },
              ThrowsMessage<BadData>(HasSubstr("PNG")));
  EXPECT_THAT([&] { decode_image(bytes_of(png), 0, {.max_file_bytes = 10}); },
              ThrowsMessage<BadData>(HasSubstr("at most 10")));
}

// Tables without a picture: the header can be read, and has no size.
TEST(Corrupt, AJpegOfTablesAloneIsRefused) {
  const std::string jpeg = test::jpeg_file(ramp(8, 8));
  const std::size_t frame = jpeg.find("\xff\xc0");
  EXPECT_THAT([&] { decode(jpeg.substr(0, frame) + "\xff\xd9"); }, ThrowsMessage<BadData>(HasSubstr("JPEG")));
  std::string flat = jpeg;
  flat.replace(frame + 5, 4, std::string("\0\x08\0\0", 4));  // no columns
  EXPECT_THROW(decode(flat), BadData);
  flat.replace(frame + 5, 4, std::string("\0\0\0\x08", 4));  // no rows, until a DNL marker says how many
  EXPECT_THROW(decode(flat), BadData);
}

TEST(Corrupt, ScansOverAPictureAreCounted) {
  const std::string file = test::jpeg_file(ramp(40, 30), {.progressive = true});
  EXPECT_NO_THROW(decode_image(bytes_of(file), 0, {.max_scanned_pixels = 40 * 30 * 10}));
  EXPECT_THAT([&] { decode_image(bytes_of(file), 0, {.max_scanned_pixels = 40 * 30 * 5}); },
              ThrowsMessage<BadData>(HasSubstr("more than 500 scans, or than 6000 pixels in all of them")));
}

// Chunks that libpng would do without, as if they had not been there: transparency and orientation.
TEST(Corrupt, ADamagedChunkOfAPngIsNeverPassedOver) {
  const Picture indices = test::make_picture(5, 3, 1, [](int x, int, int) { return x % 3; });
  const std::vector<std::uint8_t> palette = {255, 0, 0, 0, 200, 0, 10, 20, 30};
  for (const std::string& file : {test::palette_png_file(indices, palette, {255, 0, 9}),
                                  test::png_file(ramp(5, 3), {.orientation = 6})}) {
    for (std::size_t at = 0; at < file.size(); ++at) {
      for (const int bit : {0x01, 0x20}) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ bit);
        EXPECT_THROW(decode(damaged), BadData) << "byte " << at << " of " << file.size();
      }
    }
  }
}

TEST(Corrupt, OtherFormatsAreNamed) {
  EXPECT_THAT([] { decode(""); }, ThrowsMessage<BadData>(HasSubstr("empty file")));
  EXPECT_THAT([] { decode("GIF89a.............."); },
              ThrowsMessage<BadData>(HasSubstr("not supported: GIF")));
  EXPECT_THAT([] { decode("RIFF....WEBPVP8 ......"); }, ThrowsMessage<BadData>(HasSubstr("WebP")));
  EXPECT_THAT([] { decode("<html><body>not found</body></html>"); },
              ThrowsMessage<BadData>(HasSubstr("not an image")));
  EXPECT_THAT([] { decode("P6 2 2 65535\n............"); },
              ThrowsMessage<BadData>(HasSubstr("highest value 65535")));
}

TEST(Corrupt, ThinPicturesAreFine) {
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{1, 65500}, std::pair{65500, 1}}) {
    const Picture picture =
        test::make_picture(width, height, 3, [](int x, int y, int) { return (x + y) % 251; });
    const Image image = decode(test::png_file(picture));
    EXPECT_EQ(largest_difference(image, picture), 0);
    EXPECT_EQ(fit_square(image, 8).size(), 8U * 8 * 3);
  }
}

// The definition in double: out(x) = sum tri((i + 0.5 - centre) / support) in(i), rounded between the passes
// as well.
TEST(FitSquare, IsTheTriangleFilterOfTheMiddle) {
  for (const std::pair<int, int>& size : {std::pair{16, 16}, {50, 31}, {31, 50}, {7, 5}}) {
    const int width = size.first;
    const int height = size.second;
    const Picture picture = test::make_picture(
        width, height, 3, [](int x, int y, int c) { return (x * x * 5 + 11 * y + 70 * c) % 256; });
    const std::int64_t side = 12;
    const Image image{.width = width, .height = height, .pixels = picture.samples};
    const std::vector<std::uint8_t> got = fit_square(image, side);
    const auto weight = [&](std::int64_t in, std::int64_t out, std::int64_t i) {
      const std::int64_t scaled = in * side / std::min(width, height);
      const double scale = static_cast<double>(in) / static_cast<double>(scaled);
      const double centre = (static_cast<double>((scaled - side) / 2 + out) + 0.5) * scale;
      return std::max(1.0 - std::abs(static_cast<double>(i) + 0.5 - centre) / std::max(scale, 1.0), 0.0);
    };
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        double sum = 0.0;
        double total = 0.0;
        for (int v = 0; v < height; ++v) {
          for (int u = 0; u < width; ++u) {
            const double w = weight(width, x, u) * weight(height, y, v);
            sum += w * picture.samples[static_cast<std::size_t>((v * width + u) * 3)];
            total += w;
          }
        }
        EXPECT_NEAR(got[static_cast<std::size_t>((y * side + x) * 3)], sum / total, 1.1)
            << width << " x " << height;
      }
    }
  }
}

TEST(FitSquare, LeavesAPictureOfThatSizeAlone) {
  const Picture picture = ramp(9, 9);
  EXPECT_EQ(fit_square({.width = 9, .height = 9, .pixels = picture.samples}, 9), picture.samples);
}

TEST(Decode, LargeJpegsMayComeOutSmaller) {
  const std::string file =
      test::jpeg_file(test::make_picture(400, 300, 3, [](int x, int y, int) { return (x + y) / 4; }));
  EXPECT_EQ(decode_image(bytes_of(file), 16).height, 38);   // 1/8 of it, at least twice 16
  EXPECT_EQ(decode_image(bytes_of(file), 64).height, 150);  // 1/2
  EXPECT_EQ(decode_image(bytes_of(file), 100).height, 300);
}

}  // namespace
}  // namespace nagare::ssl
