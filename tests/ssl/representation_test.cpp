// Properties of the label-free measures and of the probes; their values are checked by the reference cases.
#include "ssl/eval/representation.h"

#include <gmock/gmock.h>

#include <cmath>

#include "ssl/eval/probe.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor tensor_of(const test::Matrix& m) {
  const std::vector<float> values(m.values().begin(), m.values().end());
  return Tensor::from(values, {m.rows(), m.cols()});
}

Tensor same_rows(std::int64_t rows) {
  test::Matrix m(rows, 4);
  for (std::int64_t r = 0; r < rows; ++r) std::ranges::fill(m.row(r), 2.0);
  return tensor_of(m);
}

TEST(RepresentationTest, ACollapsedNetworkShows) {
  const Tensor z = same_rows(6);
  EXPECT_NEAR(collapse(z).std, 0.0, 1e-9);
  EXPECT_NEAR(collapse(z).mean_norm, 1.0, 1e-9);
  EXPECT_NEAR(uniformity(z), 0.0, 1e-9);
  EXPECT_NEAR(effective_rank(z).rank, 1.0, 1e-4);
  EXPECT_TRUE(std::isnan(linear_cka(z, z)));
}

TEST(RepresentationTest, RandomFeaturesAreSpread) {
  const Tensor z = tensor_of(test::normal(2000, 16, 1));
  EXPECT_NEAR(collapse(z).std, 0.25, 0.005);
  EXPECT_NEAR(effective_rank(z).rank, 16.0, 0.1);
  EXPECT_LT(uniformity(z), -3.0);
}

// CKA does not see rotations and scales; here: two columns swapped, all of it doubled.
TEST(RepresentationTest, CkaIsBlindToRotationAndScale) {
  const test::Matrix x = test::normal(30, 3, 2);
  test::Matrix turned(30, 3);
  for (std::int64_t r = 0; r < 30; ++r) {
    turned(r, 0) = 2.0 * x(r, 1);
    turned(r, 1) = -2.0 * x(r, 0);
    turned(r, 2) = 2.0 * x(r, 2);
  }
  EXPECT_NEAR(linear_cka(tensor_of(x), tensor_of(turned)), 1.0, 1e-9);
  EXPECT_LT(linear_cka(tensor_of(x), tensor_of(test::normal(30, 3, 3))), 0.5);
}

TEST(RepresentationTest, AlignmentIsTheDistanceOfPairs) {
  const Tensor x = Tensor::from(std::vector<float>{1, 0, 0, 3}, {2, 2});
  const Tensor y = Tensor::from(std::vector<float>{5, 0, 2, 0}, {2, 2});
  EXPECT_NEAR(alignment(x, y), (0.0 + 2.0) / 2, 1e-9);
  EXPECT_NEAR(alignment(x, y, 1.0), std::sqrt(2.0) / 2, 1e-9);
}

TEST(RepresentationTest, RefusesWhatItCannotMeasure) {
  const Tensor one = same_rows(1);
  EXPECT_THAT([&] { collapse(one); }, ThrowsMessage<std::invalid_argument>(HasSubstr("(1, 4)")));
  EXPECT_THROW(uniformity(one), std::invalid_argument);
  EXPECT_THROW(alignment(same_rows(2), same_rows(3)), std::invalid_argument);
  EXPECT_THROW(linear_cka(same_rows(2), same_rows(3)), std::invalid_argument);
}

// Two classes on two axes, a third without images.
TEST(ProbeTest, SeparableClassesAreTold) {
  const LabelledFeatures train{
      .features = Tensor::from(std::vector<float>{4, 0, 3, 0.1F, 0, 1, 0.1F, 2}, {4, 2}),
      .labels = {0, 0, 2, 2},
      .classes = 3};
  const Tensor test = Tensor::from(std::vector<float>{1, 0, 0, 7}, {2, 2});
  EXPECT_THAT(nearest_mean(train, test).predictions, testing::ElementsAre(0, 2));
  const Tensor scaled = Tensor::from(std::vector<float>{3, 0, 0, 2}, {2, 2});
  const ProbeResult ridge = apply(fit_ridge(train, 1e-3), scaled);
  EXPECT_THAT(ridge.predictions, testing::ElementsAre(0, 2));
  EXPECT_DOUBLE_EQ(accuracy(ridge.predictions, {0, 1}), 50.0);
}

TEST(ProbeTest, RefusesLabelsAndPenaltiesOutOfRange) {
  LabelledFeatures train{.features = same_rows(2), .labels = {0, 3}, .classes = 3};
  EXPECT_THAT([&] { nearest_mean(train, same_rows(1)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("label 3")));
  train.labels = {0, 1};
  EXPECT_THROW(fit_ridge(train, NAN), std::invalid_argument);
  EXPECT_THROW(fit_ridge(train, 0.0), std::invalid_argument);
  train.labels = {0};
  EXPECT_THAT([&] { fit_ridge(train, 1.0); }, ThrowsMessage<std::invalid_argument>(HasSubstr("1 labels")));
}

}  // namespace
}  // namespace nagare::ssl
