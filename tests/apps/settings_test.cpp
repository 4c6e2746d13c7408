// Options: strict in every source, the stronger source wins, and the resolved file reads back.
#include "apps/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "apps/toml_file.h"
#include "engine/device/errors.h"

namespace nagare::apps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

void expect_refused(const std::string& toml, const std::string& place, const std::string& what) {
  Settings settings;
  EXPECT_THAT([&] { settings.assign_toml(toml, "my.toml"); },
              ThrowsMessage<BadConfig>(AllOf(HasSubstr(place), HasSubstr(what))))
      << toml;
}

TEST(SettingsTest, ReadsEveryKindOfValueAndBothFormsOfAName) {
  Settings settings;
  settings.assign_toml(
      "data = \"cifar10:x\"\nsteps-per-batch = 3\n[optim]\nname = \"lars\"\nlr = 1\nnesterov = true\n"
      "lars.eta = 0.002\n[method]\nname = \"simclr\"\ntemperature = 0.25\n[schedule]\nmilestones = [10, "
      "20]\n",
      "my.toml");
  const Options& o = settings.options();
  EXPECT_EQ(o.data, "cifar10:x");
  EXPECT_EQ(o.steps_per_batch, 3);
  EXPECT_EQ(o.optimizer.name, "lars");
  EXPECT_EQ(o.schedule.base, 1.0);
  EXPECT_TRUE(o.optimizer.nesterov);
  EXPECT_EQ(o.optimizer.lars.eta, 0.002);
  EXPECT_EQ(o.method, "simclr");
  EXPECT_EQ(o.method_options.at("temperature"), "0.25");
  EXPECT_THAT(o.schedule.milestones, testing::ElementsAre(10, 20));
  EXPECT_EQ(settings.origin("optim.lr"), "my.toml:5");
  EXPECT_EQ(settings.origin("method"), "my.toml:9");
  EXPECT_EQ(settings.origin("seed"), "default");
}

TEST(SettingsTest, RefusesWhatItDoesNotKnowWithPlaceAndNearestName) {
  expect_refused("data = \"x\"\n[optim]\nlearning-rate = 1\n", "my.toml:3",
                 "unknown key \"optim.learning-rate\"");
  expect_refused("modle = \"x\"\n", "my.toml:1", "nearest is \"model\"");
  expect_refused("seed 3\n", "my.toml:1", "");
  expect_refused("seed = 3\nseed = 4\n", "my.toml:2", "");
  expect_refused("out = \"x\"\n", "my.toml:1", "only be given on the command line");
  expect_refused("data = 1979-05-27\n", "my.toml:1", "need a string");
}

TEST(SettingsTest, RefusesValuesOfTheWrongTypeOrRange) {
  expect_refused("seed = \"3\"\n", "my.toml:1", "need a whole number");
  expect_refused("seed = 0.5\n", "my.toml:1", "need a whole number");
  expect_refused("seed = -1\n", "my.toml:1", "from 0");
  expect_refused("data = 3\n", "my.toml:1", "need a string in quotes");
  expect_refused("optim.lr = nan\n", "my.toml:1", "finite");
  expect_refused("optim.lr = inf\n", "my.toml:1", "finite");
  expect_refused("optim.lr = -0.1\n", "my.toml:1", "from 0");
  expect_refused("optim.nesterov = 1\n", "my.toml:1", "need true or false");
  expect_refused("stream-batch = 0\n", "my.toml:1", "from 1");
  expect_refused("schedule.milestones = [1.5]\n", "my.toml:1", "whole number");
}

TEST(SettingsTest, RefusesFlagsThatAreNoNumbers) {
  Settings settings;
  for (const char* text : {"", "x", "1x", " 1", "1e400", "0x10"}) {
    EXPECT_THAT([&] { settings.assign("optim.lr", text, "--optim.lr"); },
                ThrowsMessage<BadConfig>(HasSubstr("--optim.lr is ")))
        << text;
  }
  EXPECT_THAT([&] { settings.assign("seed", "99999999999999999999", "--seed"); },
              ThrowsMessage<BadConfig>(HasSubstr("too large")));
}

TEST(SettingsTest, TheEnvironmentNamesKeysWithTwoUnderscores) {
  setenv("NAGARE_OPTIM__LR", "0.5", 1);
  setenv("NAGARE_STREAM_BATCH", "7", 1);
  setenv("NAGARE_METHOD", "simclr", 1);
  setenv("NAGARE_METHOD__HIDDEN_LAYERS", "3", 1);
  setenv("NAGARE_OPTIM_LR", "0.7", 1);
  Settings settings;
  const auto warnings = settings.assign_environment();
  for (const char* name : {"NAGARE_OPTIM__LR", "NAGARE_STREAM_BATCH", "NAGARE_METHOD",
                           "NAGARE_METHOD__HIDDEN_LAYERS", "NAGARE_OPTIM_LR"}) {
    unsetenv(name);
  }
  EXPECT_EQ(settings.options().schedule.base, 0.5);
  EXPECT_EQ(settings.options().stream_batch, 7);
  EXPECT_EQ(settings.options().method, "simclr");
  EXPECT_EQ(settings.options().method_options.at("hidden-layers"), "3");
  EXPECT_EQ(settings.origin("optim.lr"), "NAGARE_OPTIM__LR");
  EXPECT_THAT(warnings, testing::ElementsAre(
                            AllOf(HasSubstr("NAGARE_OPTIM_LR"), HasSubstr("nearest is NAGARE_OPTIM__LR"))));
}

TEST(SettingsTest, TheResolvedFileReadsBackAsTheSameOptions) {
  Settings settings;
  settings.assign("method", "simclr", "--method");
  settings.assign("method.temperature", "0.25", "--method.temperature");
  settings.assign("optim.lr", "0.1", "--optim.lr");
  settings.assign("data", "folder:a \"quoted\"\\dir\nnext", "--data");
  settings.assign("schedule.milestones", "5,6", "--schedule.milestones");
  const std::string toml = settings.resolved_toml();
  EXPECT_THAT(toml, AllOf(HasSubstr("optim.lr = 0.1  # --optim.lr"), HasSubstr("seed = 0  # default")));
  Settings again;
  again.assign_toml(toml, "config.resolved.toml");
  EXPECT_THAT(again.differences(settings), testing::IsEmpty());
  EXPECT_EQ(again.options().data, settings.options().data);
  EXPECT_EQ(again.options().method_options, settings.options().method_options);
}

TEST(SettingsTest, TomlThatNobodyWritesIsRefused) {
  const auto refused = [](const std::string& toml, const std::string& why) {
    EXPECT_THAT([&] { parse_toml(toml, "x.toml"); }, ThrowsMessage<BadConfig>(HasSubstr(why)));
  };
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  refused("x = 1\n" + deep + " = 1\n", "x.toml:2: a key of more than 16 parts");
  refused("[" + deep + "]\n", "x.toml:1: a key of more than 16 parts");
  refused("x = { " + deep + " = 1 }\n", "a key of more than 16 parts");
  refused("x = \"\"\"\n'\n\"\"\"\n" + deep + " = 1\n", "x.toml:4: a key of more than 16 parts");
  refused("x = " + std::string(100, '[') + std::string(100, ']') + "\n", "x.toml:1");
  refused(std::string(kMaxTomlBytes + 1, '\n'), "a configuration has at most 1048576");
  refused("a = 1\n[@[t]]\n", "x.toml");
  refused("a = 1979-05-2\xc9\xab\n", "x.toml:1");
  refused("a = \"\"\"\\\xc9\xab\"\"\"\n", "x.toml:1");
  const std::string dots = "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18";
  for (const std::string& text :
       {"x = '" + dots + "'", "x = \"\\\"" + dots + "\"", "# " + dots, "x = '''\n" + dots + "'''",
        std::string("x = [1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0]"),
        std::string("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p = 1")}) {
    EXPECT_EQ(parse_toml(text + "\n", "x.toml").size(), text.starts_with('#') ? 0U : 1U) << text;
  }
}

TEST(SettingsTest, NamesOfFreeOptionsAreWords) {
  Settings settings;
  EXPECT_THAT([&] { settings.assign_toml("method.\"a b\" = \"1\"\n", "x.toml"); },
              ThrowsMessage<BadConfig>(HasSubstr("x.toml:1: \"method.a b\"")));
  EXPECT_THROW(settings.assign("strategy.x\n", "1", "--strategy.x\n"), BadConfig);
  EXPECT_THROW(settings.assign("strategy.", "1", "--strategy."), BadConfig);
}

TEST(SettingsTest, DifferencesAreThoseThatChangeWhatIsLearned) {
  Settings a;
  Settings b;
  b.assign("threads", "3", "--threads");
  b.assign("max-steps", "10", "--max-steps");
  EXPECT_THAT(a.differences(b), testing::IsEmpty());
  b.assign("optim.lr", "0.7", "--optim.lr");
  b.assign("strategy.x", "1", "--strategy.x");
  EXPECT_THAT(a.differences(b),
              testing::ElementsAre("strategy.*", HasSubstr("optim.lr: 0.1 here, 0.7 there")));
}

TEST(SettingsTest, EveryRowHasAHelpTextAndANameOfItsOwn) {
  std::set<std::string_view> seen;
  for (const OptionRow& row : option_table()) {
    EXPECT_TRUE(seen.insert(row.key).second) << row.key;
    EXPECT_FALSE(row.help.empty()) << row.key;
    EXPECT_FALSE(row.group.empty()) << row.key;
    EXPECT_NE(row.commands, 0U) << row.key;
    Options options;
    const Field field = row.field(options);
    EXPECT_EQ(std::holds_alternative<bool*>(field), row.value.empty()) << row.key;
  }
}

}  // namespace
}  // namespace nagare::apps
