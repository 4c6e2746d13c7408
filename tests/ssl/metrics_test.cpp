#include "ssl/eval/metrics.h"

#include <gmock/gmock.h>

#include <cmath>

namespace nagare::ssl {
namespace {

// Worked by hand: task 0 peaks after task 1, and comes back a little at the end.
const AccuracyMatrix kAccuracy = {{80, 20, 10}, {90, 70, 30}, {60, 75, 50}};

TEST(ContinualMetricsTest, MatchTheHandWorkedExample) {
  const ContinualSummary summary = summarize(kAccuracy);
  EXPECT_DOUBLE_EQ(summary.average, (60.0 + 75.0 + 50.0) / 3);
  EXPECT_DOUBLE_EQ(summary.average_incremental, (80.0 + 80.0 + 185.0 / 3) / 3);
  EXPECT_THAT(summary.forgetting_per_task, testing::ElementsAre(30.0, -5.0));
  EXPECT_DOUBLE_EQ(summary.forgetting, 12.5);
  EXPECT_DOUBLE_EQ(summary.forgetting_all_rows, 15.0);  // (90 - 60, 75 - 75)
  EXPECT_DOUBLE_EQ(summary.bwt, (-20.0 + 5.0) / 2);
  EXPECT_DOUBLE_EQ(summary.forgetting_diagonal, 7.5);
  EXPECT_DOUBLE_EQ(forward_transfer(kAccuracy, {10, 12, 14}), (8.0 + 16.0) / 2);
}

TEST(ContinualMetricsTest, OneTaskHasNothingToForget) {
  const ContinualSummary summary = summarize({{42}});
  EXPECT_DOUBLE_EQ(summary.average, 42);
  EXPECT_DOUBLE_EQ(summary.average_incremental, 42);
  EXPECT_TRUE(std::isnan(summary.forgetting));
  EXPECT_TRUE(std::isnan(summary.bwt));
}

TEST(ContinualMetricsTest, AMatrixThatIsNotSquareIsRefused) {
  EXPECT_THAT(
      [] {
        summarize({{1, 2}, {3}});
      },
      testing::ThrowsMessage<std::invalid_argument>(
          testing::HasSubstr("row 1 of the accuracy matrix has 1")));
  EXPECT_THROW(summarize({}), std::invalid_argument);
  EXPECT_THROW(forward_transfer(kAccuracy, {1}), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
