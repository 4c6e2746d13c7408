#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "engine/device/errors.h"
#include "ssl/data/cifar.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

using test::TemporaryDirectory;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// The pixel value that record `r` of file `f` holds at (c, y, x).
std::uint8_t pixel(std::int64_t f, std::int64_t r, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>(7 * f + 31 * r + 101 * c + 3 * y + x * x);
}

// `records` records with labels (f + r) % 10, each `label_bytes` times.
std::string records(std::int64_t f, std::int64_t count, int label_bytes = 1) {
  std::string bytes;
  for (std::int64_t r = 0; r < count; ++r) {
    bytes.append(static_cast<std::size_t>(label_bytes), static_cast<char>((f + r) % 10));
    for (std::int64_t i = 0; i < 3072; ++i)
      bytes += static_cast<char>(pixel(f, r, i / 1024, i / 32 % 32, i % 32));
  }
  return bytes;
}

void write_cifar10(const TemporaryDirectory& directory, const std::string& folder, std::int64_t count) {
  for (int f = 1; f <= 5; ++f)
    directory.write(folder + "data_batch_" + std::to_string(f) + ".bin", records(f, count));
  directory.write(folder + "test_batch.bin", records(0, count));
}

TEST(Cifar10, PlanesBecomePixelsInTheOrderOfTheFiles) {
  const TemporaryDirectory directory;
  write_cifar10(directory, "", 3);
  directory.write("batches.meta.txt",
                  "airplane\nautomobile\r\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  const Dataset data = load_dataset("cifar10:" + directory.string(), {});
  ASSERT_EQ(data.train.images.shape(), Shape({15, 32, 32, 3}));
  ASSERT_EQ(data.test.size(), 3);
  EXPECT_EQ(data.class_names[1], "automobile");
  const auto* pixels = data.train.images.data<std::uint8_t>();
  for (const std::int64_t i : {0, 4, 14}) {
    EXPECT_EQ(data.train.labels.classes[static_cast<std::size_t>(i)], (i / 3 + 1 + i % 3) % 10);
    for (const std::int64_t c : {0, 1, 2}) {
      EXPECT_EQ(pixels[((i * 32 + 5) * 32 + 30) * 3 + c], pixel(i / 3 + 1, i % 3, c, 5, 30));
    }
  }
}

TEST(Cifar10, TakesTheParentDirectoryAndNumbersNamelessClasses) {
  const TemporaryDirectory directory;
  write_cifar10(directory, "cifar-10-batches-bin/", 1);
  const Dataset data = load_dataset("cifar10:" + directory.string(), {});
  EXPECT_EQ(data.train.size(), 5);
  EXPECT_EQ(data.class_names[9], "9");
}

TEST(Cifar10, MeanAndStdAreThoseOfTheTrainingPixels) {
  const TemporaryDirectory directory;
  write_cifar10(directory, "", 2);
  const Dataset data = load_dataset("cifar10:" + directory.string(), {});
  const std::vector<std::uint8_t> pixels = data.train.images.to_vector<std::uint8_t>();
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t i = c; i < pixels.size(); i += 3) sum += pixels[i] / 255.0;
    const double mean = sum / (static_cast<double>(pixels.size()) / 3);
    for (std::size_t i = c; i < pixels.size(); i += 3) squares += std::pow(pixels[i] / 255.0 - mean, 2);
    EXPECT_NEAR(data.mean[c], mean, 1e-6);
    EXPECT_NEAR(data.std[c], std::sqrt(squares / (static_cast<double>(pixels.size()) / 3)), 1e-6);
  }
}

TEST(Cifar10, BadFilesAreNamedWithSizeFoundAndNeeded) {
  const TemporaryDirectory directory;
  const auto load = [&] { load_dataset("cifar10:" + directory.string(), {}); };
  EXPECT_THAT(load, ThrowsMessage<BadData>(HasSubstr("data_batch_1.bin: no such file")));
  EXPECT_THAT([] { load_dataset("cifar10:/nowhere/at/all", {}); },
              ThrowsMessage<BadData>(HasSubstr("/nowhere/at/all: no such directory")));
  write_cifar10(directory, "", 2);
  EXPECT_NO_THROW(load());
  const std::string whole = records(3, 2);
  for (const std::size_t length : {0UL, 1UL, 3072UL, 3074UL, whole.size() - 1}) {
    directory.write("data_batch_3.bin", whole.substr(0, length));
    EXPECT_THAT(load, ThrowsMessage<BadData>(
                          AllOf(HasSubstr("data_batch_3.bin: " + std::to_string(length) + " bytes"),
                                HasSubstr("3073 bytes"), HasSubstr("30730000"))));
  }
  directory.write("data_batch_3.bin", whole.substr(0, 3073));
  EXPECT_THAT(load, ThrowsMessage<BadData>(
                        AllOf(HasSubstr("data_batch_3.bin: 3073 bytes"), HasSubstr("needs 6146"))));
  std::filesystem::remove(directory.path() / "data_batch_3.bin");
  EXPECT_THAT(load, ThrowsMessage<BadData>(HasSubstr("data_batch_3.bin: No such file")));
  std::filesystem::create_directory(directory.path() / "data_batch_3.bin");
  EXPECT_THAT(load, ThrowsMessage<BadData>(HasSubstr("data_batch_3.bin: not a regular file")));
}

TEST(Cifar10, LabelOutOfRangeIsNamedWithItsRecord) {
  const TemporaryDirectory directory;
  write_cifar10(directory, "", 2);
  std::string bytes = records(4, 2);
  bytes[3073] = 10;
  directory.write("data_batch_4.bin", bytes);
  EXPECT_THAT([&] { load_dataset("cifar10:" + directory.string(), {}); },
              ThrowsMessage<BadData>(HasSubstr("data_batch_4.bin: record 1 has label 10; needs 0 to 9")));
}

TEST(Cifar100, FineAndCoarseLabels) {
  const TemporaryDirectory directory;
  std::string train = records(0, 4, 2);
  train[0] = 19;  // coarse
  train[1] = 99;  // fine
  directory.write("cifar-100-binary/train.bin", train);
  directory.write("cifar-100-binary/test.bin", records(0, 2, 2));
  const std::string spec = "cifar100:" + directory.string();
  const Dataset fine = load_dataset(spec, {});
  EXPECT_EQ(fine.classes(), 100);
  EXPECT_EQ(fine.train.labels.classes[0], 99);
  EXPECT_EQ(fine.train.images.data<std::uint8_t>()[1], pixel(0, 0, 1, 0, 0));
  const Dataset coarse = load_dataset(spec + ",labels=coarse", {});
  EXPECT_EQ(coarse.classes(), 20);
  EXPECT_EQ(coarse.train.labels.classes[0], 19);
  EXPECT_THAT([&] { load_dataset(spec + ",labels=both", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("labels=both: needs fine or coarse")));
  train[0] = 20;
  directory.write("cifar-100-binary/train.bin", train);
  EXPECT_NO_THROW(load_dataset(spec, {}));
  EXPECT_THAT([&] { load_dataset(spec + ",labels=coarse", {}); },
              ThrowsMessage<BadData>(HasSubstr("train.bin: record 0 has label 20; needs 0 to 19")));
}

TEST(Subset, IsBalancedSeededAndKeepsTheOrder) {
  const TemporaryDirectory directory;
  write_cifar10(directory, "", 20);  // 10 training and 2 test images of each class
  const std::string spec = "cifar10:" + directory.string();
  const Dataset all = load_dataset(spec, {});
  const Dataset part = load_dataset(spec + ",per-class=3,test=12", {.seed = 1});
  ASSERT_EQ(part.train.size(), 30);
  ASSERT_EQ(part.test.size(), 12);
  for (std::int64_t c = 0; c < 10; ++c) {
    EXPECT_EQ(std::count(part.train.labels.classes.begin(), part.train.labels.classes.end(), c), 3);
    EXPECT_EQ(std::count(part.test.labels.classes.begin(), part.test.labels.classes.end(), c), c < 2 ? 2 : 1);
  }
  const std::vector<std::uint8_t> bytes = part.train.images.to_vector<std::uint8_t>();
  EXPECT_EQ(bytes, load_dataset(spec + ",per-class=3", {.seed = 1}).train.images.to_vector<std::uint8_t>());
  EXPECT_NE(bytes, load_dataset(spec + ",per-class=3", {.seed = 2}).train.images.to_vector<std::uint8_t>());
  EXPECT_EQ(load_dataset(spec + ",per-class=10", {}).train.images.to_vector<std::uint8_t>(),
            all.train.images.to_vector<std::uint8_t>());
  EXPECT_THAT([&] { load_dataset(spec + ",per-class=11", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("class 0 (0) has 10 training images; needs 11")));
  EXPECT_THAT([&] { load_dataset(spec + ",test=21", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("class 0 (0) has 2 test images; needs 3")));
}

}  // namespace
}  // namespace nagare::ssl
