#include "engine/io/json_text.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "engine/device/errors.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(JsonText, AnObjectIsReadInItsOrder) {
  EXPECT_EQ(parse_object(R"({"b":1,"a":[2]})", "x").dump(), R"({"b":1,"a":[2]})");
}

TEST(JsonText, AnythingElseIsRefusedWithItsPlace) {
  for (const char* text :
       {"", "[]", "3", "null", "{\"a\":}", "{\"a\":1} x", "{\"a\":\"\xff\"}", "{\"a\":01}"}) {
    EXPECT_THAT(
        [&] { parse_object(text, "file.json:3"); },
        ThrowsMessage<BadData>(AllOf(HasSubstr("file.json:3: damaged"), HasSubstr("not a JSON object"))))
        << text;
  }
}

TEST(JsonText, DepthIsBounded) {
  const auto nested = [](std::size_t levels) {
    return "{\"a\":" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_NO_THROW(parse_object(nested(kDeepestJson - 1), "x"));
  EXPECT_THAT([&] { parse_object(nested(kDeepestJson + 1), "x"); },
              ThrowsMessage<BadData>(HasSubstr("deeper than 64")));
  EXPECT_THROW(parse_object("{\"a\":" + std::string(10'000'000, '['), "x"), BadData);
}

TEST(JsonText, AMissingFileIsNull) {
  const test::TemporaryDirectory directory;
  EXPECT_TRUE(read_object(directory.path() / "none.json").is_null());
  const Path path = directory.write("a.json", "{\"k\":2}");
  EXPECT_EQ(read_object(path)["k"], 2);
  EXPECT_THROW(read_object(path, 3), BadData);
}

}  // namespace
}  // namespace nagare::io
