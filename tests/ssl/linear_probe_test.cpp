#include "ssl/eval/linear_probe.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"
#include "ssl/eval/readout.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

TEST(EpochScheduleTest, FallsAsPublished) {
  const EpochSchedule steps{.epochs = 100, .milestones = {60, 80}};
  EXPECT_DOUBLE_EQ(steps.factor(0), 1.0);
  EXPECT_DOUBLE_EQ(steps.factor(59), 1.0);
  EXPECT_NEAR(steps.factor(60), 0.1, 1e-12);
  EXPECT_NEAR(steps.factor(99), 0.01, 1e-12);
  const EpochSchedule cosine{.epochs = 100, .cosine = true};
  EXPECT_DOUBLE_EQ(cosine.factor(0), 1.0);
  EXPECT_NEAR(cosine.factor(50), 0.5, 1e-12);
  EXPECT_GT(cosine.factor(99), 0.0);
}

TEST(EpochBatchesTest, EveryImageComesOnce) {
  for (const std::int64_t count : {1, 2, 7, 8, 9, 16}) {
    std::vector<std::int64_t> all;
    for (const auto& batch : epoch_batches(count, 4, 3, 5)) {
      EXPECT_TRUE(batch.size() > 1 || count == 1) << "a lone image joins the batch before";
      all.insert(all.end(), batch.begin(), batch.end());
    }
    std::ranges::sort(all);
    ASSERT_EQ(static_cast<std::int64_t>(all.size()), count);
    for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(epoch_batches(9, 4, 3, 5), epoch_batches(9, 4, 3, 5));
  EXPECT_NE(epoch_batches(9, 4, 3, 5), epoch_batches(9, 4, 4, 5));
}

// Three clusters, in twice as many dimensions.
struct Clusters {
  Clusters() {
    const test::Matrix noise = test::normal(90, 6, 2);
    std::vector<float> rows;
    for (std::int64_t i = 0; i < 90; ++i) {
      labels.push_back(i % 3);
      for (std::int64_t d = 0; d < 6; ++d)
        rows.push_back(static_cast<float>(0.1 * noise(i, d) + (d == i % 3 ? 1.0 : 0.0)));
    }
    features = Tensor::from(rows, {90, 6});
  }
  Scores probe(const LinearProtocol& protocol) const {
    return linear_probe(protocol,
                        {.labels = labels,
                         .classes = 3,
                         .feature_dim = 6,
                         .features = [&](const std::vector<std::int64_t>& ids,
                                         std::int64_t) { return take_rows(features, ids); },
                         .seed = 1},
                        features);
  }
  Tensor features;
  std::vector<std::int64_t> labels;
};

TEST(LinearProbeTest, EveryPublishedProtocolTellsClusters) {
  const Clusters clusters;
  for (const ReadoutRow& row : readout_table()) {
    const auto* protocol = std::get_if<LinearProtocol>(&row.protocol);
    if (protocol == nullptr) continue;
    const Scores scores = clusters.probe(*protocol);
    EXPECT_EQ(scores.setting, static_cast<double>(protocol->schedule.epochs)) << row.name;
    const double accuracy = judge(scores, clusters.labels, {}).accuracy;
    // DINO's and SimSiam's rates, for a hundred thousand updates, hardly move anything in a hundred.
    const bool slow = protocol->rate < 0.02 || protocol->optimizer.name == "lars";
    EXPECT_GT(accuracy, slow ? 1.0 : 60.0) << row.name;
  }
}

TEST(LinearProbeTest, GivesTheSameBitsForAnyNumberOfThreads) {
  const Clusters clusters;
  const LinearProtocol protocol{
      .rate = 1.0, .batch = 16, .schedule = {.epochs = 5, .cosine = true}, .optimizer = {.momentum = 0.9}};
  const int before = threads();
  set_threads(1);
  const std::vector<double> one = clusters.probe(protocol).values;
  set_threads(3);
  EXPECT_EQ(one, clusters.probe(protocol).values);
  set_threads(before);
}

TEST(LinearProbeTest, RatesPer256FollowTheBatchThatThereIs) {
  const Clusters clusters;
  LinearProtocol scaled{.rate = 256.0 / 90.0,
                        .per_256 = true,
                        .batch = 4096,
                        .schedule = {.epochs = 3},
                        .optimizer = {.momentum = 0.9}};
  LinearProtocol plain = scaled;
  plain.per_256 = false;
  plain.rate = 1.0;
  const std::vector<double> a = clusters.probe(scaled).values;
  const std::vector<double> b = clusters.probe(plain).values;
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4);
}

}  // namespace
}  // namespace nagare::ssl
