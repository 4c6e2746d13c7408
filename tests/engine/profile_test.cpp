#include "engine/profile/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace nagare {
namespace {

using nlohmann::json;

// Spans of a trace: everything but the line that names the process.
std::vector<json> spans(const std::string& trace) {
  std::vector<json> found;
  const json parsed = json::parse(trace);  // named: a range-for does not keep a temporary's owner alive
  for (const json& event : parsed["traceEvents"]) {
    if (event["ph"] == "X") found.push_back(event);
  }
  return found;
}

TEST(ProfileTest, SpansAreWrittenInnermostFirstWithTimesThatNest) {
  profile::start(Device::cpu);
  {
    const profile::Range outer("outer");
    const profile::Range inner("inner");
  }
  const auto found = spans(profile::trace_json());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0]["name"], "inner");
  EXPECT_EQ(found[1]["name"], "outer");
  const double inner_end = found[0]["ts"].get<double>() + found[0]["dur"].get<double>();
  const double outer_end = found[1]["ts"].get<double>() + found[1]["dur"].get<double>();
  EXPECT_LE(found[1]["ts"].get<double>(), found[0]["ts"].get<double>());
  EXPECT_LE(inner_end, outer_end + 0.002);  // both are rounded to a nanosecond
}

TEST(ProfileTest, NothingIsRecordedBeforeStartOrAfterTheTrace) {
  { const profile::Range early("early"); }
  profile::start(Device::cpu);
  EXPECT_TRUE(spans(profile::trace_json()).empty());
  { const profile::Range late("late"); }
  profile::start(Device::cpu);
  EXPECT_TRUE(spans(profile::trace_json()).empty());
}

TEST(ProfileTest, ALongRunKeepsTheFirstSpansAndCountsTheRest) {
  profile::start(Device::cpu);
  for (std::size_t i = 0; i < profile::kMaxSpans + 3; ++i) const profile::Range range("short");
  const json trace = json::parse(profile::trace_json());
  EXPECT_EQ(trace["traceEvents"].size(), profile::kMaxSpans + 1);
  EXPECT_EQ(trace["otherData"]["spans_dropped"], "3");
}

}  // namespace
}  // namespace nagare
