#include "ssl/eval/knn.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/device/errors.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using test::Matrix;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor tensor_of(const Matrix& m, Device device = Device::cpu) {
  const std::vector<float> values(m.values().begin(), m.values().end());
  return Tensor::from(values, {m.rows(), m.cols()}, device);
}

// A bank of unit vectors whose cosines with (1, 0) are given.
Tensor with_cosines(const std::vector<double>& cosines) {
  Matrix m(static_cast<std::int64_t>(cosines.size()), 2);
  for (std::int64_t i = 0; i < m.rows(); ++i) {
    m(i, 0) = cosines[static_cast<std::size_t>(i)];
    m(i, 1) = std::sqrt(1.0 - m(i, 0) * m(i, 0));
  }
  return tensor_of(m);
}

const Tensor kAlongX = Tensor::from(std::vector<float>{3.0F, 0.0F}, {1, 2});

// e^(.90/T) + e^(.50/T) against e^(.85/T) + e^(.84/T): the temperature decides.
TEST(KnnTest, TemperatureDecidesTheHandWorkedVote) {
  const Tensor bank = with_cosines({0.90, 0.85, 0.84, 0.50});
  const std::vector<std::int64_t> labels = {0, 1, 1, 0};
  const KnnOptions sharp{.neighbours = 4, .temperature = 0.07F, .classes = 2};
  const KnnResult result = knn_classify(bank, labels, kAlongX, sharp);
  EXPECT_THAT(result.predictions, ElementsAre(0));
  EXPECT_NEAR(result.scores[0] / 3.848e5, 1.0, 1e-3);
  EXPECT_NEAR(result.scores[1] / 3.505e5, 1.0, 1e-3);
  EXPECT_THAT(result.indices, ElementsAre(0, 1, 2, 3));
  const KnnOptions soft{.neighbours = 4, .temperature = 0.1F, .classes = 2};
  EXPECT_THAT(knn_classify(bank, labels, kAlongX, soft).predictions, ElementsAre(1));
}

TEST(KnnTest, TiesGoToTheLowerRowAndTheLowerClass) {
  const Tensor bank = with_cosines({0.5, 0.8, 0.8, 0.8});
  const KnnOptions options{.neighbours = 2, .weighted = false, .classes = 3};
  const KnnResult result = knn_classify(bank, {0, 2, 1, 1}, kAlongX, options);
  EXPECT_THAT(result.indices, ElementsAre(1, 2));
  EXPECT_THAT(result.ranking, ElementsAre(1, 2, 0));  // one vote each for 1 and 2
}

// The definition, with whole rows of similarities.
std::vector<std::int64_t> naive_neighbours(const Matrix& bank, const Matrix& queries, std::int64_t q,
                                           std::int64_t k, KnnMetric metric) {
  std::vector<double> similarity;
  for (std::int64_t n = 0; n < bank.rows(); ++n) {
    double product = 0.0;
    double bank_norm = 0.0;
    double distance = 0.0;
    for (std::int64_t d = 0; d < bank.cols(); ++d) {
      product += bank(n, d) * queries(q, d);
      bank_norm += bank(n, d) * bank(n, d);
      distance += (bank(n, d) - queries(q, d)) * (bank(n, d) - queries(q, d));
    }
    similarity.push_back(metric == KnnMetric::cosine ? product / std::sqrt(bank_norm) : -distance);
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(bank.rows()));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::int64_t n) { return similarity[static_cast<std::size_t>(n)]; });
  order.resize(static_cast<std::size_t>(k));
  return order;
}

// More queries than one tile, a bank of two tiles and a bit.
TEST(KnnTest, TilesGiveTheNeighboursOfTheWholeMatrix) {
  const Matrix bank = test::normal(8200, 5, 1);
  const Matrix queries = test::normal(259, 5, 2);
  std::vector<std::int64_t> labels;
  for (std::int64_t n = 0; n < bank.rows(); ++n) labels.push_back(n % 7);
  for (const Device device : test::devices()) {
    for (const KnnMetric metric : {KnnMetric::cosine, KnnMetric::euclidean}) {
      const KnnOptions options{.neighbours = 9, .metric = metric, .classes = 7};
      const KnnResult result =
          knn_classify(tensor_of(bank, device), labels, tensor_of(queries, device), options);
      std::int64_t different = 0;
      for (const std::int64_t q : {0, 100, 255, 256, 258}) {
        const auto want = naive_neighbours(bank, queries, q, 9, metric);
        for (std::int64_t i = 0; i < 9; ++i) {
          different +=
              result.indices[static_cast<std::size_t>(q * 9 + i)] != want[static_cast<std::size_t>(i)];
        }
      }
      EXPECT_EQ(different, 0);
    }
  }
}

TEST(KnnTest, ABankSmallerThanKGivesAllOfIt) {
  const KnnResult result =
      knn_classify(with_cosines({0.1, 0.9}), {0, 1}, kAlongX, {.neighbours = 200, .classes = 2});
  EXPECT_EQ(result.neighbours, 2);
  EXPECT_THAT(result.indices, ElementsAre(1, 0));
}

TEST(KnnTest, AccuracyCountsTheFirstOfTheRanking) {
  KnnResult result;
  result.predictions = {2, 0, 1, 1};
  result.ranking = {2, 1, 0, 0, 2, 1, 1, 0, 2, 1, 2, 0};
  EXPECT_DOUBLE_EQ(knn_accuracy(result, {2, 0, 0, 0}), 50.0);
  EXPECT_DOUBLE_EQ(knn_accuracy(result, {2, 0, 0, 0}, 2), 75.0);
  EXPECT_DOUBLE_EQ(knn_accuracy(result, {2, 0, 0, 0}, 5), 100.0);
  EXPECT_THROW(knn_accuracy(result, {1}), std::invalid_argument);
  EXPECT_THROW(knn_accuracy(result, {2, 0, 0, 0}, 6), std::invalid_argument);
  EXPECT_TRUE(std::isnan(knn_accuracy(KnnResult{}, {})));
}

TEST(KnnTest, RefusesWhatItCannotJudge) {
  const Tensor bank = with_cosines({0.1, 0.9});
  const auto classify = [&](const KnnOptions& options, const std::vector<std::int64_t>& labels) {
    return [=] { knn_classify(bank, labels, kAlongX, options); };
  };
  EXPECT_THAT(classify({.classes = 2}, {0}),
              ThrowsMessage<std::invalid_argument>(HasSubstr("with 1 labels")));
  EXPECT_THAT(classify({.classes = 2}, {0, 2}), ThrowsMessage<std::invalid_argument>(HasSubstr("label 2")));
  EXPECT_THAT(classify({.temperature = 0.001F, .classes = 2}, {0, 1}),
              ThrowsMessage<std::invalid_argument>(HasSubstr("from 0.002 up")));
  const Tensor bad = Tensor::from(std::vector<float>{NAN, 1.0F}, {1, 2});
  for (const KnnMetric metric : {KnnMetric::cosine, KnnMetric::euclidean}) {
    EXPECT_THAT(
        [&] {
          knn_classify(bank, {0, 1}, bad, {.metric = metric, .classes = 2});
        },
        ThrowsMessage<Diverged>(HasSubstr("features are not finite")));
  }
}

}  // namespace
}  // namespace nagare::ssl
