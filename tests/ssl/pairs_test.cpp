// Every strategy with a method of each kind: twenty updates that stay finite, or the refusal that its row announces.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/device/errors.h"
#include "tests/ssl/tiny_run.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const StrategyRow& row : strategy_table()) names.emplace_back(row.name);
  return names;
}

std::string test_name(std::string name) {
  std::ranges::replace_if(
      name, [](char c) { return c == '-' || c == '+'; }, '_');
  return name;
}

const StrategyRow& row_of(const std::string& name) {
  return *std::ranges::find(strategy_table(), name, &StrategyRow::name);
}

const MethodRow& method_of(const std::string& name) {
  return *std::ranges::find(method_table(), name, &MethodRow::name);
}

// What the tables say, worked out once more: needs that the traits do not meet.
bool refused(const StrategyRow& strategy, const MethodTraits& method) {
  return ((strategy.needs & kNeedsNoLabels) != 0 && method.labels) ||
         ((strategy.needs & kNeedsSingleImageLoss) != 0 && !method.single_image) ||
         ((strategy.needs & kNeedsQueue) != 0 && !method.queue) ||
         ((strategy.needs & kNeedsProjector) != 0 && !method.projector);
}

struct PairsTest : testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(PairsTest, RunsTwentyUpdatesOrIsRefused) {
  const auto& [strategy, method] = GetParam();
  if (refused(row_of(strategy), method_of(method).traits)) {
    EXPECT_THROW(check_pair(strategy, method, true), BadConfig);
    return;
  }
  ASSERT_NO_THROW(check_pair(strategy, method, true));
  const auto trainer = test::tiny_trainer({.strategy = strategy, .method = method});
  test::TinyObserver observer;
  const TrainResult result = trainer->run(observer);
  EXPECT_EQ(result.steps, 20);
  for (const StepReport& report : observer.steps) EXPECT_TRUE(std::isfinite(report.loss));
}

INSTANTIATE_TEST_SUITE_P(Table, PairsTest,
                         testing::Combine(testing::ValuesIn(strategy_names()),
                                          testing::Values("simsiam", "simclr", "moco", "swav", "dino",
                                                          "emp-ssl-contrastive", "supervised")),
                         [](const auto& info) {
                           return test_name(std::get<0>(info.param)) + "_with_" +
                                  test_name(std::get<1>(info.param));
                         });

TEST(PairsTableTest, TheRefusedPairsAreThese) {
  std::vector<std::string> pairs;
  for (const StrategyRow& strategy : strategy_table()) {
    for (const char* method : {"simsiam", "simclr", "swav", "dino", "emp-ssl-contrastive", "supervised"}) {
      if (refused(strategy, method_of(method).traits))
        pairs.push_back(std::string(strategy.name) + " " + method);
    }
  }
  EXPECT_THAT(pairs, testing::IsSupersetOf({"gss simclr", "gss swav", "gss emp-ssl-contrastive",
                                            "lump supervised", "ccl swav", "ccl dino", "cassle supervised",
                                            "ccl simsiam", "ccl simclr", "cla supervised"}));
  // The supervised counterparts of the LUMP paper's comparison.
  for (const std::string name : {"finetune", "joint", "si", "der", "agem", "gss", "er"}) {
    EXPECT_NO_THROW(check_pair(name, "supervised", true)) << name;
  }
}

TEST(PairsTableTest, BoundariesAreNeededByWhatActsOnThem) {
  for (const StrategyRow& row : strategy_table()) {
    if ((row.needs & kNeedsBoundaries) == 0) {
      EXPECT_NO_THROW(check_needs(row.name, row.needs & kNeedsBoundaries, "simsiam", {}, false)) << row.name;
    } else {
      EXPECT_THROW(check_needs(row.name, row.needs & kNeedsBoundaries, "simsiam", {}, false), BadConfig)
          << row.name;
    }
  }
}

struct StrategyPageTest : testing::TestWithParam<std::string> {};

TEST_P(StrategyPageTest, NamesItsOptions) {
  // SOURCE/build/bin/nagare-test-ssl
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto folder = program.parent_path().parent_path().parent_path() / "docs" / "strategies";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << folder << " is not there: only a build inside the source tree has the pages beside it";
  }
  const auto page = folder / (GetParam() + ".md");
  std::ifstream file(page);
  ASSERT_TRUE(file) << page;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const OptionInfo& option : row_of(GetParam()).options())
    EXPECT_THAT(text, HasSubstr("`" + option.name + "`"));
}

INSTANTIATE_TEST_SUITE_P(Table, StrategyPageTest, testing::ValuesIn(strategy_names()),
                         [](const auto& info) { return test_name(info.param); });

}  // namespace
}  // namespace nagare::ssl
