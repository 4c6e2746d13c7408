#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "engine/device/errors.h"
#include "kernels/parallel.h"
#include "ssl/data/perlin.h"
#include "tests/support/devices.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::uint64_t checksum(const Tensor& images) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a
  for (const std::uint8_t byte : images.to_vector<std::uint8_t>()) hash = (hash ^ byte) * 0x100000001B3U;
  return hash;
}

TEST(PerlinClasses, NeighboursSumAndFoldDifferently) {
  std::set<std::pair<int, bool>> ways;
  for (std::uint32_t c = 0; c < 6; ++c) {
    const PerlinClass of = perlin_class(5, c);
    ways.insert({static_cast<int>(of.sum), of.fold});
    EXPECT_GE(of.octaves, 1);
    EXPECT_LE(of.octaves, 5);
    EXPECT_GE(of.stretch, 1.0);
  }
  EXPECT_EQ(ways.size(), 6U);
}

TEST(Perlin, SplitsHaveTheirSizesAndLabels) {
  const Dataset data = load_dataset("perlin:classes=3,per-class=4,test-per-class=2,size=16,seed=1", {});
  EXPECT_EQ(data.train.images.shape(), Shape({12, 16, 16, 3}));
  EXPECT_EQ(data.test.size(), 6);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"noise 0", "noise 1", "noise 2"}));
  EXPECT_THAT(data.train.labels.classes, testing::ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2));
}

TEST(Perlin, AnyNumberOfThreadsAndAnyDeviceGiveTheSameBytes) {
  const std::string spec = "perlin:classes=4,per-class=10,size=24";
  const int before = threads();
  set_threads(1);
  const std::uint64_t alone = checksum(load_dataset(spec, {}).train.images);
  set_threads(2);
  for (const Device device : test::devices()) {
    EXPECT_EQ(checksum(load_dataset(spec, {.seed = 9, .device = device}).train.images), alone);
  }
  set_threads(before);
  EXPECT_NE(checksum(load_dataset(spec + ",seed=1", {}).train.images), alone);
}

TEST(Perlin, MoreImagesLeaveTheOthersAlone) {
  const Dataset few = load_dataset("perlin:classes=2,per-class=2,size=16", {});
  const Dataset many = load_dataset("perlin:classes=3,per-class=5,size=16", {});
  EXPECT_EQ(checksum(few.train.images.rows(0, 2)), checksum(many.train.images.rows(0, 2)));
  EXPECT_EQ(checksum(few.train.images.rows(2, 2)), checksum(many.train.images.rows(5, 2)));
  EXPECT_EQ(checksum(few.test.images.rows(0, 50)), checksum(many.test.images.rows(0, 50)));
}

TEST(Perlin, PicturesAreNotFlat) {
  const Dataset data = load_dataset("perlin:classes=12,per-class=10", {});
  for (std::int64_t i = 0; i < data.train.size(); ++i) {
    const std::vector<std::uint8_t> pixels = data.train.images.rows(i, 1).to_vector<std::uint8_t>();
    double sum = 0.0;
    double squares = 0.0;
    for (const std::uint8_t value : pixels) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    const double mean = sum / static_cast<double>(pixels.size());
    EXPECT_GE(std::sqrt(squares / static_cast<double>(pixels.size()) - mean * mean), 12.0) << "image " << i;
  }
}

// Classes that could not be told apart would make every accuracy on them meaningless. Raw pixels cannot do it, as
// pictures are moved; the mean absolute step to the right and down, over the deviation, already does a good part.
TEST(Perlin, TexturesTellClassesApart) {
  const Dataset data = load_dataset("perlin:classes=6,per-class=40,test-per-class=20,seed=2", {});
  const auto features = [](const Split& split) {
    std::vector<std::array<double, 3>> list;
    const std::vector<std::uint8_t> all = split.images.to_vector<std::uint8_t>();
    for (std::int64_t n = 0; n < split.size(); ++n) {
      const auto at = [&](std::int64_t y, std::int64_t x) {
        return static_cast<double>(all[static_cast<std::size_t>(((n * 32 + y) * 32 + x) * 3 + 1)]);
      };
      double right = 0.0, down = 0.0, sum = 0.0, squares = 0.0;
      for (std::int64_t y = 0; y < 31; ++y) {
        for (std::int64_t x = 0; x < 31; ++x) {
          right += std::abs(at(y, x + 1) - at(y, x));
          down += std::abs(at(y + 1, x) - at(y, x));
          sum += at(y, x);
          squares += at(y, x) * at(y, x);
        }
      }
      constexpr double kPixels = 31 * 31;
      const double deviation = std::sqrt(squares / kPixels - sum * sum / kPixels / kPixels) + 1.0;
      list.push_back({right / kPixels / deviation, down / kPixels / deviation, deviation / 100.0});
    }
    return list;
  };
  const auto train = features(data.train);
  const auto test = features(data.test);
  int right = 0;
  for (std::size_t i = 0; i < test.size(); ++i) {
    std::size_t nearest = 0;
    double best = 1e9;
    for (std::size_t j = 0; j < train.size(); ++j) {
      double distance = 0.0;
      for (int k = 0; k < 3; ++k) distance += std::pow(test[i][k] - train[j][k], 2);
      if (distance < best) {
        best = distance;
        nearest = j;
      }
    }
    right += data.train.labels.classes[nearest] == data.test.labels.classes[i] ? 1 : 0;
  }
  EXPECT_GE(right, static_cast<int>(test.size()) / 2);  // of 6 classes: chance is a sixth
}

TEST(Perlin, RefusesAbsurdValues) {
  for (const char* spec :
       {"perlin:size=0", "perlin:size=100000", "perlin:classes=0", "perlin:per-class=0", "perlin:seed=-1"}) {
    EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadConfig>(HasSubstr("needs a whole number")))
        << spec;
  }
}

}  // namespace
}  // namespace nagare::ssl
