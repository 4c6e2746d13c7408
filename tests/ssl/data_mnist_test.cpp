#include <gmock/gmock.h>

#include "engine/device/errors.h"
#include "ssl/data/dataset.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

// Grey values 1, 2, 3, ... through all images.
std::string images_file(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
  std::string bytes =
      std::string("\0\0\10\3", 4) + big_endian(count) + big_endian(rows) + big_endian(columns);
  for (std::uint32_t i = 0; i < count * rows * columns; ++i) bytes += static_cast<char>(i + 1);
  return bytes;
}

std::string labels_file(const std::string& labels) {
  return std::string("\0\0\10\1", 4) + big_endian(static_cast<std::uint32_t>(labels.size())) + labels;
}

struct Files {
  std::string train_images = images_file(3, 2, 2);
  std::string train_labels = labels_file({1, 0, 2});
  std::string test_images = images_file(1, 2, 2);
  std::string test_labels = labels_file({2});
};

Dataset load(const Files& files, const std::string& options = "", const std::string& between = "-") {
  const TemporaryDirectory directory;
  directory.write("train-images" + between + "idx3-ubyte", files.train_images);
  directory.write("train-labels" + between + "idx1-ubyte", files.train_labels);
  directory.write("t10k-images" + between + "idx3-ubyte", files.test_images);
  directory.write("t10k-labels" + between + "idx1-ubyte", files.test_labels);
  return load_dataset("mnist:" + directory.string() + options, {});
}

void expect_refused(const Files& files, const std::string& why) {
  EXPECT_THAT([&] { load(files); }, ThrowsMessage<BadData>(HasSubstr(why)));
}

TEST(Mnist, GreyBecomesThreeChannelsInAFrameOfBlack) {
  const Dataset data = load({});
  ASSERT_EQ(data.train.images.shape(), Shape({3, 6, 6, 3}));
  ASSERT_EQ(data.test.images.shape(), Shape({1, 6, 6, 3}));
  EXPECT_THAT(data.train.labels.classes, ElementsAre(1, 0, 2));
  EXPECT_THAT(data.class_names, ElementsAre("0", "1", "2"));
  const std::vector<std::uint8_t> pixels = data.train.images.to_vector<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t image = i / 108;
    const std::size_t y = i / 18 % 6;
    const std::size_t x = i / 3 % 6;
    const bool inside = y >= 2 && y < 4 && x >= 2 && x < 4;
    EXPECT_EQ(pixels[i], inside ? 4 * image + 2 * (y - 2) + x - 2 + 1 : 0) << i;
  }
}

TEST(Mnist, ReadsEitherSpellingAndPadsAsAsked) {
  EXPECT_EQ(load({}, "", ".").train.size(), 3);
  EXPECT_EQ(load({}, ",pad=0").train.images.shape(), Shape({3, 2, 2, 3}));
}

TEST(Mnist, RefusesWhatTheFilesDoNotHold) {
  expect_refused({.train_images = "\0\0\10"}, "needs a header of 16");
  expect_refused({.train_images = std::string("\0\0\15\3", 4) + images_file(3, 2, 2).substr(4)},
                 "needs 0 0 8 3, an IDX array of unsigned bytes");
  expect_refused({.train_images = images_file(3, 2, 2) + "x"},
                 "13 bytes behind the header, which tells of 3 times 4");
  expect_refused({.train_images = images_file(2, 2, 3)}, "images of 2 x 3; needs squares");
  expect_refused({.train_images = images_file(0, 2, 2)}, "holds nothing");
  expect_refused({.train_images = std::string("\0\0\10\3\377\377\377\377\0\0\4\0\0\0\4\0", 16)},
                 "0 bytes behind the header, which tells of 4294967295 times 1048576");
  expect_refused({.train_labels = labels_file({1, 0})}, "2 labels; needs 3");
  expect_refused({.test_images = images_file(1, 3, 3)},
                 "test images of 7 pixels a side, training images of 6");
  expect_refused({.test_labels = labels_file({3})},
                 "test label 3 of image 0; the training labels are 0 to 2");
}

TEST(Mnist, SaysWhatIsMissingOrPacked) {
  const TemporaryDirectory directory;
  const std::string spec = "mnist:" + directory.string();
  EXPECT_THAT([&] { load_dataset(spec, {}); },
              ThrowsMessage<BadData>(HasSubstr("train-images-idx3-ubyte: no such file")));
  directory.write("train-images-idx3-ubyte.gz", "packed");
  EXPECT_THAT([&] { load_dataset(spec, {}); },
              ThrowsMessage<BadData>(HasSubstr("is packed; needs gunzip first")));
  EXPECT_THAT([&] { load_dataset(spec + "/none", {}); },
              ThrowsMessage<BadData>(HasSubstr("no such directory")));
  EXPECT_THAT([&] { load_dataset(spec + ",pad=17", {}); }, ThrowsMessage<BadConfig>(HasSubstr("pad")));
}

}  // namespace
}  // namespace nagare::ssl
