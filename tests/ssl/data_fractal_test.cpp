#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <set>

#include "engine/device/errors.h"
#include "kernels/parallel.h"
#include "ssl/data/fractal.h"
#include "ssl/data/fractal_system.h"
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

TEST(FractalSystem, ClassesContractAndFillTheGrid) {
  for (std::uint32_t c = 0; c < 20; ++c) {
    const FractalSystem system = fractal_class(5, c);
    EXPECT_GE(system.size(), 2U);
    EXPECT_LE(system.size(), 8U);
    for (const AffineMap& map : system) {
      EXPECT_LT(contraction(map), 1.0);
      for (const double value : map.a) EXPECT_LT(std::abs(value), 1.0);
    }
    EXPECT_GE(filling_rate(system, 5), 0.2);
  }
}

TEST(FractalSystem, ContractionIsTheLargestSingularValue) {
  EXPECT_NEAR(contraction({{0.5, 0.0, 0.0, -0.25}, {0, 0}}), 0.5, 1e-12);
  EXPECT_NEAR(contraction({{0.6, -0.8, 0.8, 0.6}, {0, 0}}), 1.0, 1e-12);
  EXPECT_NEAR(contraction({{1.0, 1.0, 0.0, 0.0}, {0, 0}}), std::sqrt(2.0), 1e-12);
}

TEST(Fractal, SplitsHaveTheirSizesAndLabels) {
  const Dataset data = load_dataset("fractal:classes=3,per-class=4,test-per-class=2,size=16,seed=1", {});
  EXPECT_EQ(data.train.images.shape(), Shape({12, 16, 16, 3}));
  EXPECT_EQ(data.test.size(), 6);
  EXPECT_EQ(data.classes(), 3);
  EXPECT_THAT(data.train.labels.classes, testing::ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2));
}

TEST(Fractal, AnyNumberOfThreadsAndAnyDeviceGiveTheSameBytes) {
  const std::string spec = "fractal:classes=4,per-class=10,size=24";
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

// A change here changes every published number of the demo: say so in the changelog.
TEST(Fractal, BytesAreThoseOfTheFirstRelease) {
  const Dataset data = load_dataset("fractal:classes=3,per-class=4,test-per-class=2,size=24,seed=7", {});
  EXPECT_EQ(checksum(data.train.images), 0xa731d3c86165692fU);
  EXPECT_EQ(checksum(data.test.images), 0x7a19f36dc1569280U);
}

TEST(Fractal, MoreImagesLeaveTheOthersAlone) {
  const Dataset few = load_dataset("fractal:classes=2,per-class=2,size=16", {});
  const Dataset many = load_dataset("fractal:classes=3,per-class=5,size=16", {});
  EXPECT_EQ(checksum(few.train.images.rows(0, 2)), checksum(many.train.images.rows(0, 2)));
  EXPECT_EQ(checksum(few.train.images.rows(2, 2)), checksum(many.train.images.rows(5, 2)));
  EXPECT_EQ(checksum(few.test.images.rows(0, 100)), checksum(many.test.images.rows(0, 100)));
}

TEST(Fractal, PicturesAreNeitherEmptyNorFlat) {
  const Dataset data = load_dataset("fractal:classes=10,per-class=20", {});
  for (std::int64_t i = 0; i < data.train.size(); ++i) {
    const std::vector<std::uint8_t> pixels = data.train.images.rows(i, 1).to_vector<std::uint8_t>();
    std::set<std::array<std::uint8_t, 3>> colours;
    for (std::size_t p = 0; p < pixels.size(); p += 3)
      colours.insert({pixels[p], pixels[p + 1], pixels[p + 2]});
    EXPECT_GE(colours.size(), 20U) << "image " << i;
  }
}

TEST(Fractal, RefusesAbsurdValues) {
  for (const char* spec : {"fractal:size=0", "fractal:size=100000", "fractal:classes=0",
                           "fractal:per-class=0", "fractal:seed=-1"}) {
    EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadConfig>(HasSubstr("needs a whole number")))
        << spec;
  }
}

}  // namespace
}  // namespace nagare::ssl
