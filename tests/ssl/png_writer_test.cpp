#include "ssl/data/png_writer.h"

#include <gmock/gmock.h>

namespace nagare::ssl {
namespace {

Image gradient(std::int64_t width, std::int64_t height) {
  Image image{.width = width, .height = height, .pixels = {}};
  for (std::int64_t i = 0; i < width * height * 3; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(i * i * 7 + i));
  }
  return image;
}

TEST(PngWriterTest, ReadsBackAsTheSamePixels) {
  for (const auto& [width, height] : {std::pair{1, 1}, {3, 2}, {48, 48}, {101, 7}}) {
    const Image image = gradient(width, height);
    const std::string png = encode_png(image);
    EXPECT_EQ(encode_png(image), png);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(png.data());
    const Image back = decode_image({bytes, png.size()});
    EXPECT_EQ(back.width, width);
    EXPECT_EQ(back.height, height);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(PngWriterTest, RefusesPixelsThatDoNotFit) {
  Image image = gradient(3, 2);
  image.pixels.pop_back();
  EXPECT_THAT([&] { encode_png(image); }, testing::ThrowsMessage<std::invalid_argument>(
                                              testing::HasSubstr("17 bytes for a picture of 3 x 2")));
  EXPECT_THROW(encode_png({}), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
