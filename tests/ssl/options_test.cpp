#include "ssl/core/options.h"

#include <gmock/gmock.h>

#include "engine/device/errors.h"

namespace nagare::ssl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct Fields {
  float temperature = 0.5F;
  std::int64_t views = 2;
  bool affine = false;
  std::string form = "means";

  OptionSet bind() {
    OptionSet set;
    set.number("temperature", temperature, {.low = 0.01, .high = 10.0}, "softmax temperature");
    set.integer("views", views, {.low = 2}, "views per image");
    set.flag("affine", affine, "scale and shift");
    set.choice("form", form, {"means", "patches"}, "what is compared");
    return set;
  }
};

TEST(OptionSetTest, WritesGivenValuesAndLeavesTheRest) {
  Fields fields;
  fields.bind().assign("test", {{"temperature", "0.07"}, {"affine", "on"}, {"form", "patches"}});
  EXPECT_FLOAT_EQ(fields.temperature, 0.07F);
  EXPECT_TRUE(fields.affine);
  EXPECT_EQ(fields.form, "patches");
  EXPECT_EQ(fields.views, 2);
}

TEST(OptionSetTest, ListsNameDefaultAndRange) {
  const std::vector<OptionInfo> list = Fields().bind().list();
  ASSERT_EQ(list.size(), 4U);
  EXPECT_EQ(list[0].default_value, "0.5");
  EXPECT_EQ(list[0].allowed, "[0.01, 10]");
  EXPECT_EQ(list[1].allowed, "at least 2");
  EXPECT_EQ(list[2].default_value, "off");
  EXPECT_EQ(list[3].allowed, "means, patches");
}

TEST(OptionSetTest, RefusesWhatIsNotAllowedByNameAndValue) {
  const auto assign = [](const std::string& name, const std::string& value) {
    return [=] { Fields().bind().assign("simclr", {{name, value}}); };
  };
  EXPECT_THAT(
      assign("temprature", "1"),
      ThrowsMessage<BadConfig>(AllOf(HasSubstr("\"temprature\""), HasSubstr("nearest is \"temperature\""))));
  for (const char* bad : {"0", "nan", "inf", "11", "1x", "", " 1"}) {
    EXPECT_THAT(assign("temperature", bad), ThrowsMessage<BadConfig>(HasSubstr("need [0.01, 10]"))) << bad;
  }
  for (const char* bad : {"1", "2.5", "99999999999999999999", "two"}) {
    EXPECT_THAT(assign("views", bad), ThrowsMessage<BadConfig>(HasSubstr("need at least 2"))) << bad;
  }
  EXPECT_THAT(assign("affine", "maybe"), ThrowsMessage<BadConfig>(HasSubstr("need on, off")));
  EXPECT_THAT(assign("form", "all"), ThrowsMessage<BadConfig>(HasSubstr("need means, patches")));
}

}  // namespace
}  // namespace nagare::ssl
