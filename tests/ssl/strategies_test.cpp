#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/device/errors.h"
#include "kernels/philox.h"
#include "ssl/strategies/table.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kDim = 4;

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = begin; id < end; ++id) ids.push_back(id);
  return ids;
}

// Images of 1 x 1 pixels whose value tells their id.
Batch batch_of(const std::vector<std::int64_t>& ids) {
  std::vector<std::uint8_t> pixels;
  for (const std::int64_t id : ids) pixels.insert(pixels.end(), 3, static_cast<std::uint8_t>(id));
  return {.images = Tensor::from(pixels, {static_cast<std::int64_t>(ids.size()), 1, 1, 3}), .ids = ids};
}

// Unit rows that depend on the image and on the step alone.
StepOutput output_for(const Batch& batch, std::int64_t step) {
  std::vector<float> rows;
  for (const std::int64_t id : batch.ids) {
    double squared = 0.0;
    std::vector<double> row;
    Philox random({.seed = 3,
                   .purpose = Purpose::synthetic,
                   .step = static_cast<std::uint32_t>(step),
                   .sample = static_cast<std::uint32_t>(id)});
    for (std::int64_t d = 0; d < kDim; ++d) {
      row.push_back(random.uniform(-1.0F, 1.0F));
      squared += row.back() * row.back();
    }
    for (const double v : row) rows.push_back(static_cast<float>(v / std::sqrt(squared)));
  }
  const auto count = static_cast<std::int64_t>(batch.ids.size());
  return {.loss = {}, .embedding = Tensor::from(rows, {count, kDim})};
}

StrategyContext context(const OptionValues& options = {}) {
  return {.capacity = 6,
          .replay = 4,
          .stream_batch = 4,
          .embedding_dim = kDim,
          .image_shape = {1, 1, 3},
          .seed = 11,
          .options = options};
}

// Every image's pixels must tell its id.
void expect_pixels_of_ids(const Batch& batch) {
  const std::vector<std::uint8_t> pixels =
      batch.images.reshaped({batch.images.numel()}).to_vector<std::uint8_t>();
  ASSERT_EQ(pixels.size(), 3 * batch.ids.size());
  for (std::size_t i = 0; i < batch.ids.size(); ++i) EXPECT_EQ(pixels[3 * i], batch.ids[i]);
}

// The training loop's calls for batch number b, K = 2; returns what was trained on.
std::vector<Batch> feed(Strategy& strategy, std::int64_t b) {
  const Batch batch = batch_of(range(4 * b, 4 * b + 4));
  std::vector<Batch> trained;
  strategy.arrive(batch);
  for (std::int64_t k = 0; k < 2; ++k) {
    const Progress progress{.step = 2 * b + k, .total_steps = 100};
    trained.push_back(strategy.compose(batch, progress));
    if (trained.back().images.defined()) {
      const StepOutput output = output_for(trained.back(), progress.step);
      strategy.after_step({.batch = trained.back(), .views = {}, .output = output, .progress = progress});
    }
  }
  strategy.finish(batch);
  return trained;
}

TEST(FinetuneTest, TrainsOnWhatArrives) {
  const auto strategy = make_strategy("finetune", context());
  for (const Batch& batch : feed(*strategy, 0)) EXPECT_THAT(batch.ids, ElementsAre(0, 1, 2, 3));
  nn::StateList list;
  strategy->list_state(list);
  EXPECT_TRUE(list.entries().empty());
}

TEST(ErTest, ReplaysThePastBehindTheArrivingImages) {
  const auto strategy = make_strategy("er", context());
  for (const Batch& batch : feed(*strategy, 0))
    EXPECT_THAT(batch.ids, ElementsAre(0, 1, 2, 3));  // nothing stored
  const std::vector<Batch> second = feed(*strategy, 1);
  ASSERT_EQ(second.size(), 2U);
  for (const Batch& batch : second) {
    ASSERT_EQ(batch.ids.size(), 8U);
    expect_pixels_of_ids(batch);
    EXPECT_THAT(std::vector(batch.ids.begin(), batch.ids.begin() + 4), ElementsAre(4, 5, 6, 7));
    EXPECT_THAT(std::vector(batch.ids.begin() + 4, batch.ids.end()),
                testing::UnorderedElementsAre(0, 1, 2, 3));
  }
  for (std::int64_t b = 2; b < 6; ++b) {
    for (const Batch& batch : feed(*strategy, b)) {
      EXPECT_EQ(std::set<std::int64_t>(batch.ids.begin(), batch.ids.end()).size(), 8U);
      expect_pixels_of_ids(batch);
    }
  }
}

TEST(ErTest, TellsWhatItHolds) {
  const auto strategy = make_strategy("er", context());
  EXPECT_TRUE(strategy->stored_ids().empty());
  feed(*strategy, 0);
  EXPECT_THAT(strategy->stored_ids(), ElementsAre(0, 1, 2, 3));
  feed(*strategy, 1);
  EXPECT_EQ(strategy->stored_ids().size(), 6U);  // the capacity
}

TEST(MinRedTest, TellsWhatItHolds) {
  const auto strategy = make_strategy("minred", context());
  feed(*strategy, 0);
  EXPECT_THAT(strategy->stored_ids(), testing::UnorderedElementsAre(0, 1, 2, 3));
  feed(*strategy, 1);
  EXPECT_EQ(strategy->stored_ids().size(), 6U);
}

TEST(MinRedTest, StreamReplayTrainsOnArrivingImagesAndOlderOnesFromTheFirstBatch) {
  const auto strategy = make_strategy("minred", context());
  for (const Batch& batch : feed(*strategy, 0)) EXPECT_THAT(batch.ids, ElementsAre(0, 1, 2, 3));
  for (std::int64_t b = 1; b < 6; ++b) {
    for (const Batch& batch : feed(*strategy, b)) {
      ASSERT_EQ(batch.ids.size(), 8U);
      expect_pixels_of_ids(batch);
      EXPECT_EQ(std::vector(batch.ids.begin(), batch.ids.begin() + 4), range(4 * b, 4 * b + 4));
      for (auto id = batch.ids.begin() + 4; id != batch.ids.end(); ++id) EXPECT_LT(*id, 4 * b);
      EXPECT_EQ(std::set<std::int64_t>(batch.ids.begin(), batch.ids.end()).size(), 8U);
    }
  }
}

TEST(MinRedTest, OfficialWaitsUntilTheBufferIsFullAndTrainsFromItAlone) {
  const auto strategy = make_strategy("minred", context({{"variant", "buffer-only"}}));
  for (const Batch& batch : feed(*strategy, 0)) EXPECT_FALSE(batch.images.defined());  // 4 of 6 held
  for (std::int64_t b = 1; b < 6; ++b) {
    for (const Batch& batch : feed(*strategy, b)) {
      ASSERT_EQ(batch.ids.size(), 4U);
      expect_pixels_of_ids(batch);
      EXPECT_EQ(std::set<std::int64_t>(batch.ids.begin(), batch.ids.end()).size(), 4U);
    }
  }
  const auto eager =
      make_strategy("minred", context({{"variant", "buffer-only"}, {"train-while-filling", "on"}}));
  for (const Batch& batch : feed(*eager, 0))
    EXPECT_THAT(batch.ids, testing::UnorderedElementsAre(0, 1, 2, 3));
}

TEST(StrategyTableTest, IsSortedAndRefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(std::ranges::is_sorted(strategy_table(), {},
                                     [](const StrategyRow& row) { return std::string(row.name); }));
  EXPECT_THAT([] { make_strategy("minret", context()); },
              ThrowsMessage<BadConfig>(HasSubstr("nearest is \"minred\"")));
  EXPECT_THAT(
      [] {
        make_strategy("er", context({{"gamma", "1"}}));
      },
      ThrowsMessage<BadConfig>(HasSubstr("er: unknown option \"gamma\"")));
  EXPECT_THAT(
      [] {
        make_strategy("minred", context({{"varient", "buffer-only"}}));
      },
      ThrowsMessage<BadConfig>(HasSubstr("nearest is \"variant\"")));
  StrategyContext small = context({{"variant", "buffer-only"}});
  small.capacity = 3;
  EXPECT_THAT([&] { make_strategy("minred", small); }, ThrowsMessage<BadConfig>(HasSubstr("which holds 3")));
  small.capacity = 0;
  EXPECT_THAT([&] { make_strategy("er", small); }, ThrowsMessage<BadConfig>(HasSubstr("buffer of 0")));
}

}  // namespace
}  // namespace nagare::ssl
