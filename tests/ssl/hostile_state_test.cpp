// A checkpoint is anybody's file. Whatever whole numbers its state holds, a run refuses it or goes on without harm; what harm
// would be, the sanitizers say.
#include <gmock/gmock.h>

#include <limits>
#include <set>

#include "engine/device/errors.h"
#include "tests/ssl/tiny_runs.h"
#include "tests/ssl/tiny_state.h"

namespace nagare::ssl {
namespace {

using namespace test;  // NOLINT: the tiny run is what this file is about

// "refused", "goes on", or what should not have happened.
std::string outcome_of(const TinyRun& run, const std::vector<io::NamedTensor>& tensors) {
  try {
    const auto trainer = tiny_trainer(run);
    load(*trainer, tensors);
    Few few;
    trainer->run(few);
    return "goes on";
  } catch (const BadCheckpoint&) {
    return "refused";
  } catch (const Diverged&) {
    return "goes on";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Of entries that many layers have, one.
std::string kind_of(const std::string& name) {
  const bool common = name.ends_with("num_batches_tracked") || name.ends_with("times");
  return common ? name.substr(name.rfind('.')) : name;
}

struct HostileRunTest : testing::TestWithParam<TinyRun> {};

TEST_P(HostileRunTest, IsRefusedOrGoesOn) {
  TinyRun run = GetParam();
  run.epochs = run.steps_per_batch = 2;
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::size_t refused = 0;
  // On the second batch; three updates further a task ends, the next begins, or the run ends.
  for (const std::int64_t at : {3, 7, 15}) {
    const std::vector<io::NamedTensor> good = state_at(run, at);
    ASSERT_EQ(outcome_of(run, good), "goes on");
    std::set<std::string> tried;
    for (std::size_t entry = 0; entry < good.size(); ++entry) {
      const Tensor& values = good[entry].tensor;
      if (values.dtype() != DType::i64 || !tried.insert(kind_of(good[entry].name)).second) continue;
      const std::int64_t last = values.numel() - 1;
      for (const std::int64_t element : std::set<std::int64_t>{0, std::min<std::int64_t>(1, last), last}) {
        for (const std::int64_t value :
             {kLeast, std::int64_t{-1}, std::int64_t{0}, std::int64_t{17}, std::int64_t{1} << 40, kMost}) {
          std::vector<io::NamedTensor> hostile = good;
          hostile[entry].tensor = values.clone();
          hostile[entry].tensor.data<std::int64_t>()[element] = value;
          const std::string outcome = outcome_of(run, hostile);
          refused += outcome == "refused" ? 1 : 0;
          EXPECT_TRUE(outcome == "refused" || outcome == "goes on")
              << good[entry].name << "[" << element << "] = " << value << " at " << at << ": " << outcome;
        }
      }
    }
  }
  EXPECT_GT(refused, 20U);
}

// Numbers that are none: whatever is computed from them, it is computed inside its arrays.
TEST_P(HostileRunTest, NotFiniteDivergesOrGoesOn) {
  TinyRun run = GetParam();
  run.epochs = run.steps_per_batch = 2;
  const std::vector<io::NamedTensor> good = state_at(run, 3);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::max()}) {
    for (const char* part : {"method.", "optimizer.", "strategy.", "trainer."}) {
      std::vector<io::NamedTensor> hostile = good;
      bool any = false;
      for (io::NamedTensor& named : hostile) {
        const bool floats = named.tensor.dtype() == DType::f32 || named.tensor.dtype() == DType::f64;
        if (!floats || !named.name.starts_with(part)) continue;
        any = true;
        const bool wide = named.tensor.dtype() == DType::f64;
        named.tensor = named.tensor.clone();
        for (std::int64_t i = 0; i < named.tensor.numel(); ++i) {
          if (wide) {
            named.tensor.data<double>()[i] = static_cast<double>(value);
          } else {
            named.tensor.data<float>()[i] = value;
          }
        }
      }
      const std::string outcome = any ? outcome_of(run, hostile) : "refused";
      EXPECT_TRUE(outcome == "refused" || outcome == "goes on") << part << " " << value << ": " << outcome;
    }
  }
}

// Values that are each in their range, and together of no run.
struct Change {
  std::string name;
  std::vector<std::int64_t> elements;  // none: every one
  double value;
};

std::string reason_of(const TinyRun& given, const std::vector<Change>& changes) {
  TinyRun run = given;
  run.epochs = run.steps_per_batch = 2;
  std::vector<io::NamedTensor> tensors = state_at(run, 7);
  for (const Change& change : changes) {
    Tensor& tensor = std::ranges::find(tensors, change.name, &io::NamedTensor::name)->tensor;
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      const auto& chosen = change.elements;
      if (!chosen.empty() && std::ranges::find(chosen, i) == chosen.end()) continue;
      if (tensor.dtype() == DType::i64) {
        tensor.data<std::int64_t>()[i] = static_cast<std::int64_t>(change.value);
      } else {
        tensor.data<double>()[i] = change.value;
      }
    }
  }
  const auto trainer = tiny_trainer(run);
  try {
    load(*trainer, tensors);
  } catch (const BadCheckpoint& error) {
    return error.what();
  }
  return "accepted";
}

TEST(HostileStateTest, WhatIsOfNoRunIsRefusedBeforeItGoesOn) {
  using testing::HasSubstr;
  const TinyRun er{.strategy = "er"};
  const TinyRun minred{.strategy = "minred", .options = {{"variant", "stream-replay"}}};
  EXPECT_THAT(reason_of(er, {{"strategy.reservoir.seen", {1}, 1e6}}),
              HasSubstr("reservoir: emptied after 1000000"));
  EXPECT_THAT(reason_of(er, {{"strategy.reservoir.ids", {}, -1}}), HasSubstr("holds image -1"));
  EXPECT_THAT(reason_of(er, {{"strategy.reservoir.ids", {0}, 32}}), HasSubstr("holds image 32"));
  EXPECT_THAT(reason_of(er, {{"trainer.position", {0}, 6}}),
              HasSubstr("6 updates after 3 of 8 batches and 1 of 2"));
  EXPECT_THAT(reason_of(er, {{"trainer.position", {1}, 8}, {"trainer.position", {2}, 1}}),
              HasSubstr("position: "));
  EXPECT_THAT(reason_of(er, {{"trainer.evaluations", {}, 100}}), HasSubstr("of update 100, after 7"));
  EXPECT_THAT(reason_of(er, {{"trainer.evaluations", {}, 2.5}}), HasSubstr("at update 2.5"));
  EXPECT_THAT(reason_of(er, {{"trainer.evaluations", {}, 4}}),
              HasSubstr("after task 1, which has not ended"));
  EXPECT_THAT(reason_of({.strategy = "agem", .method = "supervised"}, {{"strategy.sample.ids", {0}, -1}}),
              HasSubstr("holds image -1"));
  EXPECT_THAT(reason_of({.strategy = "minred", .options = {{"variant", "buffer-only"}}},
                        {{"strategy.buffer.arrival", {}, -1}}),
              HasSubstr("0 images in the buffer, need 8"));
  EXPECT_THAT(reason_of({.strategy = "pnn"}, {{"strategy.tasks", {}, 2}, {"method.backbone.in_use", {}, 2}}),
              HasSubstr("2 columns in use and 2 tasks begun, where 1 were"));
  EXPECT_THAT(reason_of(minred, {{"strategy.buffer.arrival", {}, -1}}),
              HasSubstr("0 images in the buffer, need 8"));
  EXPECT_THAT(reason_of(minred, {{"strategy.buffer.arrival", {}, 3}}), HasSubstr("arrived as number 3"));
  EXPECT_THAT(reason_of(minred, {{"strategy.buffer.next_arrival", {}, 2}}),
              HasSubstr("of 2 that have arrived"));
}

INSTANTIATE_TEST_SUITE_P(Table, HostileRunTest, testing::ValuesIn(every_strategy()), run_name);
INSTANTIATE_TEST_SUITE_P(Variants, HostileRunTest, testing::ValuesIn(other_variants()), run_name);

}  // namespace
}  // namespace nagare::ssl
