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
  EXPECT_DOUBLE_EQ(summary.forgetting_any_row, 15.0);
  EXPECT_DOUBLE_EQ(summary.forgetting_all_tasks, (20.0 - 5.0 + 0.0) / 3);
  EXPECT_DOUBLE_EQ(summary.forgetting_relative, (100 * 20.0 / 80 - 100 * 5.0 / 70) / 2);
  EXPECT_DOUBLE_EQ(summary.knowledge_gain, (50.0 + 20.0) / 2);  // 70 - 20, 50 - 30
  EXPECT_THAT(summary.after_task, testing::ElementsAre(80.0, 80.0, 185.0 / 3));
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
  EXPECT_TRUE(std::isnan(summary.knowledge_gain));
  EXPECT_DOUBLE_EQ(summary.forgetting_all_tasks, 0.0);
  EXPECT_TRUE(std::isnan(forward_transfer({{42}}, {1})));
}

// Only rows before the task was learned were better: Osiris's program calls that forgetting, the others do not.
TEST(ContinualMetricsTest, RowsBeforeATaskCountInOneDefinition) {
  const ContinualSummary summary = summarize({{50, 90, 0}, {50, 60, 0}, {50, 70, 80}});
  EXPECT_DOUBLE_EQ(summary.forgetting, (0.0 + 60.0 - 70.0) / 2);
  EXPECT_DOUBLE_EQ(summary.forgetting_all_rows, 0.0);
  EXPECT_DOUBLE_EQ(summary.forgetting_any_row, 10.0);
}

TEST(ContinualMetricsTest, WhatWasNotMeasuredIsMissingInWhatNeedsIt) {
  const ContinualSummary summary = summarize({{80, 20, 10}, {NAN, NAN, NAN}, {60, 75, 50}});
  EXPECT_DOUBLE_EQ(summary.average, 185.0 / 3);  // of the last row alone
  EXPECT_TRUE(std::isnan(summary.average_incremental));
  EXPECT_TRUE(std::isnan(summary.forgetting));
  EXPECT_TRUE(std::isnan(summary.forgetting_all_rows));
  EXPECT_TRUE(std::isnan(summary.forgetting_any_row));
  EXPECT_TRUE(std::isnan(summary.bwt));
  EXPECT_TRUE(std::isnan(summary.forgetting_per_task[0]));
  EXPECT_TRUE(std::isnan(forward_transfer({{80, 20, 10}, {NAN, NAN, NAN}, {60, 75, 50}}, {1, 2, 3})));
  // The diagonal and the last row are enough for these; the one hole is elsewhere.
  const ContinualSummary hole = summarize({{80, 20, NAN}, {70, 70, 30}, {60, 75, 50}});
  EXPECT_DOUBLE_EQ(hole.bwt, (-20.0 + 5.0) / 2);
  EXPECT_DOUBLE_EQ(hole.forgetting, (20.0 - 5.0) / 2);
  EXPECT_DOUBLE_EQ(hole.knowledge_gain, (50.0 + 20.0) / 2);
}

TEST(ContinualMetricsTest, TheAverageOverTheStreamIsThatOfAllTasks) {
  EXPECT_DOUBLE_EQ(stream_average({40, 50, 90}), 60.0);
  EXPECT_TRUE(std::isnan(stream_average({40, NAN})));
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
