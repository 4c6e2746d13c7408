#include <gmock/gmock.h>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/data/spec.h"
#include "ssl/data/table.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(DataSpec, ReadsSourceDirectoryAndOptions) {
  const DataSpec spec = parse_spec("cifar10:/data/a,per-class=100,test=50");
  EXPECT_EQ(spec.source(), "cifar10");
  EXPECT_EQ(spec.directory(), "/data/a");
  EXPECT_EQ(spec.integer("per-class", 0, {0, 1000}), 100);
  EXPECT_EQ(spec.integer("test", 0, {0, 1000}), 50);
}

TEST(DataSpec, DirectoryMayHoldCommasAndEqualsAndColons) {
  EXPECT_EQ(parse_spec("cifar10:/a,b,per-class=1").directory(), "/a,b");
  EXPECT_EQ(parse_spec("cifar10:a=b").directory(), "a=b");
  EXPECT_EQ(parse_spec("cifar10:/x:y").directory(), "/x:y");
}

TEST(DataSpec, FractalNeedsNothing) {
  EXPECT_EQ(parse_spec("fractal").source(), "fractal");
  EXPECT_EQ(parse_spec("fractal:").integer("size", 32, {1, 64}), 32);
  EXPECT_EQ(parse_spec("fractal:size=16").integer("size", 32, {1, 64}), 16);
}

TEST(DataSpec, RefusesByName) {
  const auto parse = [](const std::string& text) { return [text] { parse_spec(text); }; };
  EXPECT_THAT(parse("cifar01:/x"), ThrowsMessage<BadConfig>(HasSubstr("nearest is \"cifar10\"")));
  EXPECT_THAT(parse(""), ThrowsMessage<BadConfig>(HasSubstr("unknown source")));
  EXPECT_THAT(parse("cifar10:/x,per-clas=3"),
              ThrowsMessage<BadConfig>(HasSubstr("nearest is \"per-class\"")));
  EXPECT_THAT(parse("cifar10"), ThrowsMessage<BadConfig>(HasSubstr("needs a directory")));
  EXPECT_THAT(parse("cifar10:"), ThrowsMessage<BadConfig>(HasSubstr("needs a directory")));
  EXPECT_THAT(parse("fractal:/x"), ThrowsMessage<BadConfig>(HasSubstr("\"/x\" is not key=value")));
  for (const char* spec :
       {"fractal:size=8,", "fractal:,size=8", "fractal:size=8,,seed=1", "cifar10:d,test=8,"})
    EXPECT_THAT(parse(spec), ThrowsMessage<BadConfig>(HasSubstr("\"\" is not key=value"))) << spec;
  EXPECT_THAT(parse("fractal:size=8,size=9"), ThrowsMessage<BadConfig>(HasSubstr("\"size\" is given twice")));
  EXPECT_THAT(parse("fractal:size=8,"), ThrowsMessage<BadConfig>(HasSubstr("not key=value")));
  EXPECT_THAT(parse("a\nb:/x"),
              ThrowsMessage<BadConfig>(HasSubstr("a\\x0ab")));  // one line, whatever comes in
}

TEST(DataSpec, ValuesMustBeNumbersInRange) {
  const DataSpec spec = parse_spec("cifar10:/x,per-class=12x,test=99999999999999999999");
  EXPECT_THAT(
      [&] {
        spec.integer("per-class", 0, {0, 9});
      },
      ThrowsMessage<BadConfig>(HasSubstr("per-class=12x: needs a whole number from 0 to 9")));
  EXPECT_THAT(
      [&] {
        spec.integer("test", 0, {0, 9});
      },
      ThrowsMessage<BadConfig>(HasSubstr("needs a whole number")));
  const DataSpec real = parse_spec("fractal:size=nan,seed=0.5,classes=-3");
  EXPECT_THAT(
      [&] {
        real.real("size", 0, {0, 1});
      },
      ThrowsMessage<BadConfig>(HasSubstr("needs a number from 0 to 1")));
  EXPECT_EQ(real.real("seed", 0, {0, 1}), 0.5);
  EXPECT_THAT([&] { real.integer("classes", 1, {1, 9}); }, ThrowsMessage<BadConfig>(HasSubstr("classes=-3")));
}

TEST(DataTable, IsSortedAndEverySyntaxParses) {
  const auto sources = data_sources();
  for (std::size_t i = 1; i < sources.size(); ++i) EXPECT_LT(sources[i - 1].name, sources[i].name);
  for (const DataSource& source : sources) {
    EXPECT_EQ(parse_spec(source.name + (source.takes_directory ? ":/x" : "")).source(), source.name);
    for (const DataOption& option : source.options) EXPECT_THAT(source.syntax, HasSubstr(option.key + "="));
    EXPECT_NE(source.load, nullptr);
    EXPECT_FALSE(source.summary.empty() || source.reference.empty());
  }
}

TEST(Nearest, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("simcrl", "simclr"), 1U);
  EXPECT_EQ(edit_distance("SimCLR", "simclr"), 0U);
  const std::vector<std::string> known = {"simclr", "simsiam", "emp-ssl"};
  EXPECT_EQ(nearest("simsim", known), "simsiam");
  EXPECT_EQ(nearest("empssl", known), "emp-ssl");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(Printable, LeavesUtf8AndEscapesTheRest) {
  EXPECT_EQ(printable("流れ ok"), "流れ ok");
  EXPECT_EQ(printable("a\xff\n\x7f"), "a\\xff\\x0a\\x7f");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xe6\xb5"), "\\xe6\\xb5");  // cut off
}

}  // namespace
}  // namespace nagare::ssl
