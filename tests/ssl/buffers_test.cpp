#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "engine/ops/normalize.h"
#include "ssl/buffers/min_redundancy.h"
#include "ssl/buffers/reservoir.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;

// Images of 1 x 1 pixels whose value tells their id.
Batch batch_of(const std::vector<std::int64_t>& ids) {
  std::vector<std::uint8_t> pixels;
  for (const std::int64_t id : ids) pixels.insert(pixels.end(), 3, static_cast<std::uint8_t>(id));
  return {.images = Tensor::from(pixels, {static_cast<std::int64_t>(ids.size()), 1, 1, 3}), .ids = ids};
}

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = begin; id < end; ++id) ids.push_back(id);
  return ids;
}

std::vector<std::int64_t> ids_of(const MinRedundancyBuffer& buffer) {
  std::vector<std::int64_t> ids;
  for (const std::int64_t slot : buffer.by_age())
    ids.push_back(buffer.stored().ids.data<std::int64_t>()[slot]);
  return ids;
}

TEST(ReplayTest, DrawsDistinctNumbersOfEveryValue) {
  std::map<std::int64_t, int> counts;
  for (std::int64_t step = 0; step < 3000; ++step) {
    const auto drawn = draw_without_replacement(7, 3, replay_key(5, step));
    ASSERT_EQ(std::set<std::int64_t>(drawn.begin(), drawn.end()).size(), 3U);
    for (const std::int64_t number : drawn) ++counts[number];
  }
  ASSERT_EQ(counts.size(), 7U);
  for (const auto& [number, count] : counts) EXPECT_NEAR(count, 3000 * 3 / 7, 110) << number;  // 4 sigma
  EXPECT_EQ(draw_without_replacement(3, 8, replay_key(5, 1)).size(), 3U);
  const std::vector<std::int64_t> list = {40, 41, 42, 43, 44, 45, 46};
  const auto numbers = draw_without_replacement(7, 3, replay_key(5, 1));
  const auto entries = draw_from(list, 3, replay_key(5, 1));
  ASSERT_EQ(entries.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(entries[i], 40 + numbers[i]);
  EXPECT_TRUE(draw_from({}, 8, replay_key(5, 1)).empty());
  EXPECT_TRUE(draw_without_replacement(0, 8, replay_key(5, 1)).empty());
}

TEST(ReplayTest, PutsStoredImagesBehindTheArrivingOnes) {
  Reservoir reservoir(4, {1, 1, 3}, 1, Device::cpu);
  reservoir.insert(batch_of({10, 11, 12}));
  Batch arriving = batch_of({20, 21});
  arriving.position = 7;
  arriving.task = 2;
  const std::vector<std::int64_t> slots = {2, 0};
  const Batch both = with_replay(arriving, reservoir.stored(), slots);
  EXPECT_THAT(both.ids, ElementsAre(20, 21, 12, 10));
  EXPECT_THAT(both.images.reshaped({12}).to_vector<std::uint8_t>(),
              ElementsAre(20, 20, 20, 21, 21, 21, 12, 12, 12, 10, 10, 10));
  EXPECT_EQ(both.position, 7);
  EXPECT_EQ(both.task, 2);
}

TEST(ReservoirTest, KeepsEveryPresentationWithTheSameProbability) {
  constexpr std::int64_t kImages = 24;
  constexpr std::int64_t kCapacity = 6;
  constexpr int kRuns = 2000;
  std::vector<int> kept(kImages);
  for (int run = 0; run < kRuns; ++run) {
    Reservoir reservoir(kCapacity, {1, 1, 3}, static_cast<std::uint64_t>(run), Device::cpu);
    reservoir.insert(batch_of(range(0, kImages)));
    for (const std::int64_t id : reservoir.stored().ids.to_vector<std::int64_t>())
      ++kept[static_cast<std::size_t>(id)];
  }
  const double expected = static_cast<double>(kRuns) * kCapacity / kImages;
  double chi_squared = 0.0;
  for (const int count : kept) chi_squared += (count - expected) * (count - expected) / (expected * 0.75);
  EXPECT_LT(chi_squared, 50.0);  // 23 degrees of freedom: 99.9 % lie below 49.7
}

TEST(ReservoirTest, ContentsDoNotDependOnHowTheStreamIsCut) {
  Reservoir whole(5, {1, 1, 3}, 3, Device::cpu);
  whole.insert(batch_of(range(0, 40)));
  Reservoir parts(5, {1, 1, 3}, 3, Device::cpu);
  parts.insert(batch_of(range(0, 3)));
  EXPECT_EQ(parts.size(), 3);
  parts.insert(batch_of(range(3, 17)));
  parts.insert(batch_of(range(17, 40)));
  EXPECT_EQ(parts.presentations(), 40);
  EXPECT_EQ(whole.stored().ids.to_vector<std::int64_t>(), parts.stored().ids.to_vector<std::int64_t>());
  EXPECT_EQ(whole.stored().images.to_vector<std::uint8_t>(), parts.stored().images.to_vector<std::uint8_t>());
}

// Gives entry number i (by age) the unit vector at angle[i] degrees.
void set_angles(MinRedundancyBuffer& buffer, const std::vector<double>& degrees) {
  std::vector<float> rows;
  for (const double angle : degrees) {
    rows.push_back(static_cast<float>(std::cos(angle * M_PI / 180)));
    rows.push_back(static_cast<float>(std::sin(angle * M_PI / 180)));
  }
  const auto count = static_cast<std::int64_t>(degrees.size());
  std::vector<std::int64_t> slots = buffer.by_age();
  slots.resize(degrees.size());
  buffer.update_features(slots, Tensor::from(rows, {count, 2}), 0.5F);
}

MinRedundancyBuffer plane(std::int64_t slots) {
  return MinRedundancyBuffer({.slots = slots, .embedding_dim = 2, .image_shape = {1, 1, 3}});
}

// Pairs by distance: (10, 12) 5 degrees apart, (11, 13) 8; 14 stands alone. First 10 goes, then 11.
TEST(MinRedundancyTest, DropsTheOlderMemberOfTheMostSimilarPair) {
  MinRedundancyBuffer buffer = plane(5);
  buffer.insert(batch_of({10, 11, 12, 13, 14}));
  set_angles(buffer, {0, 90, 5, 98, 180});
  buffer.evict(3);
  EXPECT_THAT(ids_of(buffer), ElementsAre(12, 13, 14));
}

// Once 10 is gone, 11 has lost its best partner; its next best is 12.
TEST(MinRedundancyTest, LooksForANewPartnerWhenTheBestIsGone) {
  MinRedundancyBuffer buffer = plane(6);
  buffer.insert(batch_of({10, 11, 12, 13, 14, 15}));
  set_angles(buffer, {0, 2, 7, 100, 120, 200});
  buffer.evict(4);
  EXPECT_THAT(ids_of(buffer), ElementsAre(12, 13, 14, 15));
}

TEST(MinRedundancyTest, EqualPairsLoseTheOldestFirst) {
  MinRedundancyBuffer buffer = plane(6);
  buffer.insert(batch_of({10, 11, 12, 13, 14, 15}));
  set_angles(buffer, {30, 30, 70, 70, 30, 170});
  buffer.evict(3);
  EXPECT_THAT(ids_of(buffer), ElementsAre(13, 14, 15));
}

// Places are reused, so age is not the place: 20 takes the place of 10 and is the youngest all the same.
TEST(MinRedundancyTest, AgeIsTheArrivalNotThePlace) {
  MinRedundancyBuffer buffer = plane(4);
  buffer.insert(batch_of({10, 11, 12, 13}));
  set_angles(buffer, {0, 60, 1, 120});
  buffer.evict(3);
  buffer.insert(batch_of({20}));
  EXPECT_THAT(ids_of(buffer), ElementsAre(11, 12, 13, 20));
  set_angles(buffer, {60, 1, 120, 60});
  buffer.evict(3);
  EXPECT_THAT(ids_of(buffer), ElementsAre(12, 13, 20));
}

TEST(MinRedundancyTest, EntriesWithoutFeaturesAreSafeAndTooFewCandidatesMeanOldestFirst) {
  MinRedundancyBuffer buffer = plane(8);
  buffer.insert(batch_of({10, 11, 12, 13}));
  set_angles(buffer, {0, 45, 46, 180});
  buffer.insert(batch_of({14, 15}));
  buffer.evict(4);  // 4 candidates >= 2 * 2: 11 and 12 are close, then 12 (46) is nearest to 10 (0)
  EXPECT_THAT(ids_of(buffer), ElementsAre(12, 13, 14, 15));
  buffer.evict(2);  // 2 candidates < 2 * 2
  EXPECT_THAT(ids_of(buffer), ElementsAre(14, 15));
}

TEST(MinRedundancyTest, FeaturesAreRunningMeansOfUnitLength) {
  MinRedundancyBuffer buffer = plane(1);
  buffer.insert(batch_of({10}));
  EXPECT_EQ(buffer.uses(0), 0);
  set_angles(buffer, {0});
  set_angles(buffer, {90});
  EXPECT_EQ(buffer.uses(0), 2);
  EXPECT_NEAR(buffer.feature(0)[0], std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(buffer.feature(0)[1], std::sqrt(0.5), 1e-6);
}

// The rule, spelled out in double on a full matrix.
std::vector<std::int64_t> survivors(const test::Matrix& features, std::int64_t keep) {
  std::vector<std::int64_t> rows = range(0, features.rows());
  const auto similarity = [&](std::int64_t a, std::int64_t b) {
    double sum = 0.0;
    for (std::int64_t d = 0; d < features.cols(); ++d) sum += features(a, d) * features(b, d);
    return sum;
  };
  while (static_cast<std::int64_t>(rows.size()) > keep) {
    double best = -2.0;
    std::size_t gone = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = i + 1; j < rows.size(); ++j) {
        if (similarity(rows[i], rows[j]) > best) {
          best = similarity(rows[i], rows[j]);
          gone = i;
        }
      }
    }
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  return rows;
}

TEST(MinRedundancyTest, AgreesWithTheRuleOnRandomFeaturesWithDuplicates) {
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    test::Matrix features = test::normal(33, 21, seed);
    for (const auto& [copy, original] : std::map<std::int64_t, std::int64_t>{{5, 20}, {31, 8}, {32, 8}}) {
      for (std::int64_t d = 0; d < features.cols(); ++d) features(copy, d) = features(original, d);
    }
    MinRedundancyBuffer buffer({.slots = 33, .embedding_dim = 21, .image_shape = {1, 1, 3}});
    buffer.insert(batch_of(range(0, 33)));
    std::vector<float> rows;
    for (std::int64_t r = 0; r < 33; ++r) {
      double squared = 0.0;
      for (const double v : features.row(r)) squared += v * v;
      for (double& v : features.row(r)) rows.push_back(static_cast<float>(v /= std::sqrt(squared)));
    }
    buffer.update_features(buffer.by_age(), Tensor::from(rows, {33, 21}), 0.5F);
    buffer.evict(18);
    EXPECT_EQ(ids_of(buffer), survivors(features, 18)) << "seed " << seed;
  }
}

// Batches of five arrive, the newest and some older entries are updated, twice; then the buffer is cut to 20.
void step_of_stream(MinRedundancyBuffer& buffer, std::int64_t step) {
  buffer.insert(batch_of(range(5 * step, 5 * step + 5)));
  for (std::uint32_t update = 0; update < 2; ++update) {
    std::vector<std::int64_t> slots;
    for (const std::int64_t slot : buffer.by_age()) {
      if (buffer.uses(slot) == 0 || (slot + step) % 4 == 0) slots.push_back(slot);
    }
    const auto count = static_cast<std::int64_t>(slots.size());
    const test::Matrix m = test::normal(count, 9, static_cast<std::uint32_t>(2 * step) + update);
    const std::vector<float> rows(m.values().begin(), m.values().end());
    buffer.update_features(slots, l2_normalize(Tensor::from(rows, {count, 9})), 0.5F);
  }
  buffer.evict(20);
}

MinRedundancyBuffer stream_buffer() {
  return MinRedundancyBuffer({.slots = 25, .embedding_dim = 9, .image_shape = {1, 1, 3}});
}

TEST(MinRedundancyTest, WhatIsKeptBetweenBatchesChangesNothing) {
  MinRedundancyBuffer buffer = stream_buffer();
  for (std::int64_t step = 0; step < 30; ++step) {
    MinRedundancyBuffer resumed = stream_buffer();  // knows features alone
    nn::StateList from;
    nn::StateList to;
    buffer.list_state(from);
    resumed.list_state(to);
    for (const nn::StateEntry& entry : from.entries()) to.find(entry.name)->tensor.copy_from(entry.tensor);
    step_of_stream(resumed, step);
    step_of_stream(buffer, step);
    ASSERT_EQ(ids_of(buffer), ids_of(resumed)) << "step " << step;
  }
}

TEST(MinRedundancyTest, FollowsTheRuleFromBatchToBatch) {
  MinRedundancyBuffer buffer = stream_buffer();
  for (std::int64_t step = 0; step < 4; ++step) step_of_stream(buffer, step);
  for (std::int64_t step = 4; step < 30; ++step) {
    const std::vector<std::int64_t> before = buffer.by_age();
    test::Matrix features(20, 9);
    std::vector<std::int64_t> ids = ids_of(buffer);
    for (std::int64_t i = 0; i < 20; ++i) {
      const std::span<const float> feature = buffer.feature(before[static_cast<std::size_t>(i)]);
      std::ranges::copy(feature, features.row(i).begin());
    }
    const std::vector<std::int64_t> arriving = range(5 * step, 5 * step + 3);
    buffer.insert(batch_of(arriving));  // without features: not among the candidates
    buffer.evict(20);
    std::vector<std::int64_t> want;
    for (const std::int64_t row : survivors(features, 17)) want.push_back(ids[static_cast<std::size_t>(row)]);
    want.insert(want.end(), arriving.begin(), arriving.end());
    ASSERT_EQ(ids_of(buffer), want) << "step " << step;
    step_of_stream(buffer, 100 + step);
  }
}

TEST(MinRedundancyTest, RefusesWhatDoesNotFit) {
  MinRedundancyBuffer buffer = plane(2);
  EXPECT_THAT(
      [&] {
        buffer.insert(batch_of({1, 2, 3}));
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("3 arriving, room for 2")));
  EXPECT_THROW(MinRedundancyBuffer({.slots = 0, .embedding_dim = 2}), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
