// Several sources as one data set.
#include <gmock/gmock.h>

#include "engine/device/errors.h"
#include "ssl/data/dataset.h"
#include "ssl/data/join.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::string kFractals = "fractal:classes=2,per-class=2,test-per-class=1,size=8";
const std::string kNoise = "perlin:classes=3,per-class=1,test-per-class=1,size=8";

TEST(JoinTest, SeparateClassesStayEachSourcesOwn) {
  const Dataset data = load_dataset(kFractals + ";" + kNoise, {});
  EXPECT_EQ(data.spec, kFractals + ";" + kNoise);
  EXPECT_THAT(data.domains, ElementsAre("fractal", "perlin"));
  EXPECT_THAT(data.class_names, ElementsAre("fractal/fractal 0", "fractal/fractal 1", "perlin/noise 0",
                                            "perlin/noise 1", "perlin/noise 2"));
  EXPECT_THAT(data.train.labels.domains, ElementsAre(0, 0, 0, 0, 1, 1, 1));
  EXPECT_EQ(data.train.labels.classes.size(), 7U);
  EXPECT_EQ(data.train.labels.classes[4], 2);
  EXPECT_THAT(data.test.labels.domains, ElementsAre(0, 0, 1, 1, 1));
  const Dataset noise = load_dataset(kNoise, {});
  EXPECT_EQ(data.train.images.rows(4, 3).to_vector<std::uint8_t>(),
            noise.train.images.to_vector<std::uint8_t>());
  EXPECT_TRUE(noise.domains.empty());
  EXPECT_TRUE(noise.train.labels.domains.empty());
}

TEST(JoinTest, ByNameEqualNamesAreOneClass) {
  const Dataset data = load_dataset(
      kFractals + ";fractal:classes=3,per-class=1,test-per-class=1,size=8,seed=5", {.labels = "by-name"});
  EXPECT_THAT(data.domains, ElementsAre("fractal", "fractal 2"));
  EXPECT_THAT(data.class_names, ElementsAre("fractal 0", "fractal 1", "fractal 2"));
  EXPECT_THAT(data.train.labels.classes, ElementsAre(0, 0, 1, 1, 0, 1, 2));
  EXPECT_THAT([] { load_dataset(kFractals + ";" + kNoise, {.labels = "by-name"}); },
              ThrowsMessage<BadConfig>(HasSubstr("perlin has no class with a name of those before it")));
}

TEST(JoinTest, RefusesWhatDoesNotFitTogether) {
  EXPECT_THAT([] { load_dataset(kFractals + ";perlin:size=16,per-class=1,test-per-class=1", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("perlin has images of 16 pixels, fractal of 8")));
  EXPECT_THAT([] { load_dataset(kFractals, {.labels = "byname"}); },
              ThrowsMessage<BadConfig>(HasSubstr("nearest is \"by-name\"")));
  EXPECT_THAT([] { load_dataset(kFractals + ";", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("unknown source")));
  EXPECT_THAT(split_sources("a;b,c;d"), ElementsAre("a", "b,c", "d"));
}

}  // namespace
}  // namespace nagare::ssl
