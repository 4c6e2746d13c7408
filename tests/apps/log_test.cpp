// The run's log and the level of what stderr shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kConfig = 3;

class LogTest : public testing::Test {
 protected:
  Outcome train(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = tiny_run(run(), {"--max-steps", "1", "--gallery", "0"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--checkpoint-every", "1"});
    return run_nagare(arguments);
  }
  // The texts of a level, joined by newlines. Every line of the log is looked at.
  std::string logged(const std::string& level) const {
    std::string texts;
    std::istringstream lines(read_all(run() + "/log.jsonl"));
    for (std::string text; std::getline(lines, text);) {
      const json line = json::parse(text);
      EXPECT_EQ(line.size(), 4U) << text;
      EXPECT_GT(line["wall"], 1e9) << text;
      EXPECT_GE(line["step"], 0) << text;
      if (line["level"] == level) texts += line["text"].get<std::string>() + "\n";
    }
    return texts;
  }
  std::string run() const { return directory_ / "run"; }

  TemporaryDirectory directory_;
};

constexpr char kNote[] = "untrained network: knn";
constexpr char kDetail[] = "checkpoint of step 1";

TEST_F(LogTest, HoldsWhatIsSaidAndNoDetail) {
  const Outcome outcome = train({});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(kNote), Not(HasSubstr(kDetail))));
  EXPECT_THAT(logged("info"), HasSubstr(kNote));
  EXPECT_THAT(logged("debug"), IsEmpty());
}

TEST_F(LogTest, ShowsEveryDetailWhenAsked) {
  const Outcome outcome = train({"--log-level", "debug"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(kNote), HasSubstr(kDetail), HasSubstr("memory: images ")));
  EXPECT_THAT(logged("debug"), HasSubstr(kDetail));
}

TEST_F(LogTest, IsKeptWhenNothingIsShown) {
  const Outcome outcome = train({"--log-level", "warning"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(logged("info"), HasSubstr(kNote));
}

TEST_F(LogTest, HoldsTheErrorThatEndedTheRun) {
  const Outcome diverged =
      run_nagare(tiny_run(directory_ / "other", {"--method", "supervised", "--optim.lr", "1e6",
                                                 "--optim.weight-decay", "1e6", "--log-level", "error"}));
  ASSERT_EQ(diverged.exit_code, 9) << diverged.err;
  EXPECT_THAT(diverged.err, testing::StartsWith("error: "));
  EXPECT_THAT(read_all(directory_ / "other/log.jsonl"), HasSubstr(R"("level":"error")"));
}

TEST_F(LogTest, AnUnknownLevelIsRefused) {
  const Outcome outcome = train({"--log-level", "loud"});
  EXPECT_EQ(outcome.exit_code, kConfig);
  EXPECT_THAT(outcome.err, HasSubstr("--log-level loud: need error, warning, info or debug"));
}

}  // namespace
}  // namespace nagare::test
