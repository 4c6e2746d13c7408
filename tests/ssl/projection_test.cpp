#include "ssl/eval/projection.h"

#include <gmock/gmock.h>

#include <cmath>

#include "kernels/philox.h"

namespace nagare::ssl {
namespace {

// Three groups of unit rows, far apart, with noise: row i is of group i % 3.
Tensor three_groups(std::int64_t rows, std::int64_t dim) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows; ++i) {
    Philox random({.seed = 5, .purpose = Purpose::synthetic, .sample = static_cast<std::uint32_t>(i)});
    for (std::int64_t d = 0; d < dim; ++d) {
      values.push_back((d == i % 3 ? 1.0F : 0.0F) + random.uniform(-0.1F, 0.1F));
    }
  }
  return Tensor::from(values, {rows, dim});
}

double distance(const Point& a, const Point& b) { return std::hypot(a[0] - b[0], a[1] - b[1]); }

// Points whose nearest other point is of their group.
int well_placed(const std::vector<Point>& points) {
  int count = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::size_t best = i == 0 ? 1 : 0;
    for (std::size_t j = 0; j < points.size(); ++j) {
      if (j != i && distance(points[i], points[j]) < distance(points[i], points[best])) best = j;
    }
    count += best % 3 == i % 3 ? 1 : 0;
  }
  return count;
}

TEST(PcaTest, HandWorkedExample) {
  // Rows of any length are made unit: (1, 0), (0, 1), (-1, 0), (0, -1), and twice (1, 0) more.
  const Tensor features = Tensor::from(std::vector<float>{3, 0, 0, 2, -1, 0, 0, -5, 1, 0, 2, 0}, {6, 2});
  // Mean (1/3, 0); sum of squares about it along x: 4 - 6/9 = 10/3, along y: 2.
  const Pca pca = pca_2d(features);
  EXPECT_NEAR(pca.explained[0], (10.0 / 3.0) / (10.0 / 3.0 + 2.0), 1e-12);
  EXPECT_NEAR(pca.explained[1], 2.0 / (10.0 / 3.0 + 2.0), 1e-12);
  EXPECT_NEAR(pca.points[0][0], -2.0 / 3.0,
              1e-12);  // the point of largest magnitude is positive: x is flipped
  EXPECT_NEAR(pca.points[2][0], 4.0 / 3.0, 1e-12);
  EXPECT_NEAR(std::fabs(pca.points[1][1]), 1.0, 1e-12);
  EXPECT_NEAR(pca.points[1][1], -pca.points[3][1], 1e-12);
}

// Wide features go through X X^T, tall ones through X^T X: columns of zeros change nothing but the way.
TEST(PcaTest, BothWaysAgree) {
  const std::int64_t rows = 9;
  const Tensor narrow = three_groups(rows, 4);
  std::vector<float> padded;
  const auto values = narrow.to_vector<float>();
  for (std::int64_t i = 0; i < rows; ++i) {
    padded.insert(padded.end(), values.begin() + i * 4, values.begin() + i * 4 + 4);
    padded.insert(padded.end(), 16, 0.0F);
  }
  const Pca tall = pca_2d(narrow);
  const Pca wide = pca_2d(Tensor::from(padded, {rows, 20}));
  EXPECT_NEAR(tall.explained[0], wide.explained[0], 1e-10);
  for (std::size_t i = 0; i < tall.points.size(); ++i) {
    EXPECT_NEAR(distance(tall.points[i], wide.points[i]), 0.0, 1e-8) << i;
  }
}

TEST(PcaTest, EqualFeaturesAreOnePoint) {
  const Pca pca = pca_2d(Tensor::full({5, 3}, 2.0F));
  EXPECT_NEAR(pca.explained[0], 0.0, 1e-9);
  for (const Point& point : pca.points) EXPECT_NEAR(std::hypot(point[0], point[1]), 0.0, 1e-9);
}

TEST(TsneTest, KeepsGroupsTogetherAndIsTheSameTwice) {
  const Tensor features = three_groups(60, 8);
  const Tsne tsne = tsne_2d(features, {.perplexity = 10, .iterations = 400});
  EXPECT_EQ(well_placed(tsne.points), 60);
  EXPECT_EQ(tsne_2d(features, {.perplexity = 10, .iterations = 400}).points, tsne.points);
}

TEST(TsneTest, DescendsTheDivergence) {
  const Tensor features = three_groups(60, 8);
  const double early = tsne_2d(features, {.perplexity = 10, .iterations = 1}).divergence;
  const double late = tsne_2d(features, {.perplexity = 10, .iterations = 600}).divergence;
  EXPECT_GT(early, 3 * late);
  EXPECT_GT(late, 0.0);
}

TEST(TsneTest, RefusesWhatHasNoAnswer) {
  const Tensor features = three_groups(10, 4);
  EXPECT_THAT([&] { tsne_2d(features, {.perplexity = 4}); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("of 10 points")));
  EXPECT_THROW(tsne_2d(features, {.perplexity = NAN}), std::invalid_argument);
  EXPECT_THROW(tsne_2d(features, {.perplexity = 3, .iterations = 0}), std::invalid_argument);
  EXPECT_THROW(pca_2d(three_groups(2, 4)), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
