// A checkpoint is anybody's file. Whatever whole numbers its state holds, a run refuses it or goes on without harm; what harm
// would be, the sanitizers say.
#include <gtest/gtest.h>

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

struct HostileStateTest : testing::TestWithParam<TinyRun> {};

TEST_P(HostileStateTest, IsRefusedOrGoesOn) {
  TinyRun run = GetParam();
  run.epochs = run.steps_per_batch = 2;
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::size_t refused = 0;
  for (const std::int64_t at : {3, 12}) {  // on the second batch; between batches of the second task
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
TEST_P(HostileStateTest, NotFiniteDivergesOrGoesOn) {
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

INSTANTIATE_TEST_SUITE_P(Table, HostileStateTest, testing::ValuesIn(every_strategy()), run_name);
INSTANTIATE_TEST_SUITE_P(Variants, HostileStateTest, testing::ValuesIn(other_variants()), run_name);

}  // namespace
}  // namespace nagare::ssl
