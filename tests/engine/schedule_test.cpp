#include "engine/optim/schedule.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/device/errors.h"

namespace nagare::optim {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ScheduleTest, EndsAndCornersAreWhereTheFormulasPutThem) {
  ScheduleOptions s{
      .name = "warmup_cosine", .base = 1.0, .start = 0.25, .end = 0.125, .steps = 110, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(s, 9), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 10), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 60), 0.5625);
  EXPECT_GT(learning_rate(s, 109), 0.125);
  s.name = "warmup_cosine_lightly";
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 0.25 + 0.75 / 10);
  EXPECT_DOUBLE_EQ(learning_rate(s, 109), 0.125);
  s.name = "cosine_annealing";
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 55), 0.5625);
  s = {.name = "step", .base = 1.0, .steps = 10, .milestones = {3, 5}, .gamma = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate(s, 2), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 3), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 5), 0.25);
  const EmaSchedule decay{.first = 0.99, .last = 0.995, .steps = 10};
  EXPECT_DOUBLE_EQ(ema_decay(decay, 0), 0.99);
  EXPECT_DOUBLE_EQ(ema_decay(decay, 5), 0.9925);
  EXPECT_DOUBLE_EQ(ema_decay(decay, 10), 0.995);
  EXPECT_DOUBLE_EQ(ema_decay(decay, 11), 0.995);
}

TEST(ScheduleTest, EveryRowIsFiniteAtAndBeyondItsEdges) {
  for (const ScheduleRow& row : schedules()) {
    for (const std::int64_t steps : {1, 2, 7}) {
      for (const std::int64_t warmup : {std::int64_t{0}, std::int64_t{1}, steps}) {
        if (warmup > steps) continue;
        const ScheduleOptions s{.name = row.name, .base = 0.5, .steps = steps, .warmup_steps = warmup};
        for (std::int64_t k = 0; k <= steps + 3; ++k) {
          const double value = learning_rate(s, k);
          EXPECT_TRUE(value >= -1e-15 && value <= 0.5)
              << row.name << " step " << k << " of " << steps << ": " << value;
        }
        EXPECT_EQ(learning_rate(s, steps), learning_rate(s, steps + 100)) << row.name;
      }
    }
  }
}

// A row's `uses` is the truth: what it names moves a value, what it leaves out moves none.
TEST(ScheduleTest, RowsTellWhatTheyLookAt) {
  for (const ScheduleRow& row : schedules()) {
    const auto differs = [&](const ScheduleOptions& a, const ScheduleOptions& b) {
      for (std::int64_t k = 0; k < 10; ++k) {
        if (learning_rate(a, k) != learning_rate(b, k)) return true;
      }
      return false;
    };
    const ScheduleOptions all{.name = row.name,
                              .base = 1.0,
                              .start = 0.25,
                              .end = 0.125,
                              .steps = 10,
                              .warmup_steps = 3,
                              .milestones = {4},
                              .gamma = 0.5};
    const auto changed = [&](const auto& change) {
      ScheduleOptions other = all;
      change(other);
      return differs(all, other);
    };
    const auto uses = [&](ScheduleUse what) { return (row.uses & what) != 0; };
    EXPECT_EQ(changed([](auto& s) { s.warmup_steps = 0; }), uses(kUsesWarmup)) << row.name;
    EXPECT_EQ(changed([](auto& s) { s.start = 0.5; }), uses(kUsesWarmup)) << row.name;
    EXPECT_EQ(changed([](auto& s) { s.end = 0.0; }), uses(kUsesEnd)) << row.name;
    EXPECT_EQ(changed([](auto& s) { s.milestones = {}; }), uses(kUsesMilestones)) << row.name;
    EXPECT_EQ(changed([](auto& s) { s.gamma = 0.25; }), uses(kUsesMilestones)) << row.name;
  }
}

TEST(ScheduleTest, RowsAreSorted) {
  const auto rows = schedules();
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end(),
                             [](const auto& a, const auto& b) { return std::string(a.name) < b.name; }));
}

TEST(ScheduleTest, NonsenseIsRefusedByName) {
  EXPECT_THAT([] { learning_rate({.name = "cosin"}, 0); },
              ThrowsMessage<BadConfig>(
                  AllOf(HasSubstr("unknown schedule \"cosin\": nearest is"), HasSubstr("warmup_cosine"))));
  EXPECT_THAT([] { check({.base = NAN}); }, ThrowsMessage<BadConfig>(HasSubstr("base nan")));
  EXPECT_THAT([] { check({.steps = 5, .warmup_steps = 6}); },
              ThrowsMessage<BadConfig>(HasSubstr("5 steps with 6 of warm-up")));
  EXPECT_THROW(check({.steps = 0}), BadConfig);
  EXPECT_THROW(check({.name = "step", .steps = 9, .milestones = {5, 3}}), BadConfig);
  EXPECT_THROW(learning_rate({}, -1), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::optim
