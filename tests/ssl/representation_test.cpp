// Properties of the label-free measures and of the probes; their values are checked by the reference cases.
#include "ssl/eval/representation.h"

#include <gmock/gmock.h>

#include <array>
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

// The definition: centred columns, row by row.
double cka_by_definition(const test::Matrix& x, const test::Matrix& y) {
  const auto centred = [](test::Matrix m) {
    for (std::int64_t c = 0; c < m.cols(); ++c) {
      double mean = 0.0;
      for (std::int64_t r = 0; r < m.rows(); ++r) mean += m(r, c) / static_cast<double>(m.rows());
      for (std::int64_t r = 0; r < m.rows(); ++r) m(r, c) -= mean;
    }
    return m;
  };
  const auto squares = [](const test::Matrix& a, const test::Matrix& b) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < a.cols(); ++i) {
      for (std::int64_t j = 0; j < b.cols(); ++j) {
        double product = 0.0;
        for (std::int64_t r = 0; r < a.rows(); ++r) product += a(r, i) * b(r, j);
        sum += product * product;
      }
    }
    return sum;
  };
  const test::Matrix a = centred(x);
  const test::Matrix b = centred(y);
  return squares(a, b) / std::sqrt(squares(a, a) * squares(b, b));
}

TEST(RepresentationTest, CkaIsItsDefinitionForEveryShape) {
  for (const auto& [rows, left, right] :
       {std::array<std::int64_t, 3>{2, 1, 1}, {2, 5, 3}, {31, 7, 40}, {40, 7, 9}}) {
    const test::Matrix x = test::normal(rows, left, 5);
    const test::Matrix y = test::normal(rows, right, 6);
    EXPECT_NEAR(linear_cka(tensor_of(x), tensor_of(y)), cka_by_definition(x, y), 1e-6);
    EXPECT_NEAR(linear_cka(tensor_of(x), tensor_of(x)), 1.0, 1e-12);
    EXPECT_LE(linear_cka(tensor_of(x), tensor_of(x)), 1.0);
  }
}

// 0.1 is not a sum of halves: its mean over seven rows is off in the last bit, which must not pass for variation.
TEST(RepresentationTest, ConstantFeaturesHaveNoSimilarity) {
  const Tensor constant = Tensor::from(std::vector<float>(7 * 3, 0.1F), {7, 3});
  EXPECT_TRUE(std::isnan(linear_cka(constant, tensor_of(test::normal(7, 2, 1)))));
  EXPECT_TRUE(std::isnan(linear_cka(tensor_of(test::normal(7, 20, 1)), constant)));
  EXPECT_TRUE(std::isnan(effective_rank(Tensor::zeros({5, 3})).rank));
  EXPECT_NEAR(effective_rank(constant).rank, 1.0, 1e-4);
}

// Every row twice: spread and rank do not change, pairs at no distance count.
TEST(RepresentationTest, DuplicatesAreRows) {
  test::Matrix x = test::normal(20, 50, 4);
  test::Matrix twice(40, 50);
  for (std::int64_t r = 0; r < 40; ++r) std::ranges::copy(x.row(r / 2), twice.row(r).begin());
  EXPECT_NEAR(effective_rank(tensor_of(twice)).rank, effective_rank(tensor_of(x)).rank, 1e-3);
  EXPECT_EQ(effective_rank(tensor_of(x)).singular_values.size(), 20U);
  EXPECT_GT(uniformity(tensor_of(twice)), uniformity(tensor_of(x)));
  EXPECT_NEAR(linear_cka(tensor_of(twice), tensor_of(twice)), 1.0, 1e-12);
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

LabelledFeatures random_problem(std::int64_t rows, std::int64_t dims) {
  LabelledFeatures train{.features = tensor_of(test::normal(rows, dims, 8)), .labels = {}, .classes = 3};
  for (std::int64_t r = 0; r < rows; ++r) train.labels.push_back(r % 3);
  return train;
}

// The gradient of |Yc - Xc W|^2 + lambda |W|^2 is zero: Xc^T (Y - X W - b) = lambda W, whatever way W was found.
TEST(ProbeTest, RidgeSolvesItsEquationsWideAndTall) {
  for (const auto& [rows, dims] : {std::pair<std::int64_t, std::int64_t>{12, 30}, {30, 12}, {13, 13}}) {
    const LabelledFeatures train = random_problem(rows, dims);
    const RidgeProbe probe = fit_ridge(train, 0.7);
    const ProbeResult fitted = apply(probe, train.features);
    const std::vector<float> x = train.features.to_vector<float>();
    for (std::int64_t d = 0; d < dims; ++d) {
      for (std::int64_t c = 0; c < 3; ++c) {
        double gradient = 0.0;
        for (std::int64_t r = 0; r < rows; ++r) {
          const double y = train.labels[static_cast<std::size_t>(r)] == c ? 1.0 : 0.0;
          gradient += x[static_cast<std::size_t>(r * dims + d)] * (y - fitted.scores(r, c));
        }
        EXPECT_NEAR(gradient, 0.7 * probe.weight(d, c), 1e-9);
      }
    }
  }
}

TEST(ProbeTest, LambdaIsOneOfTheCandidates) {
  const LabelledFeatures train = random_problem(90, 12);
  const double lambda = choose_ridge_lambda(train, 3);
  double trace = 0.0;
  const std::vector<float> x = train.features.to_vector<float>();
  for (std::size_t d = 0; d < 12; ++d) {
    double mean = 0.0;
    for (std::size_t r = 0; r < 90; ++r) mean += x[r * 12 + d] / 90.0;
    for (std::size_t r = 0; r < 90; ++r) trace += (x[r * 12 + d] - mean) * (x[r * 12 + d] - mean);
  }
  const double power = std::log10(lambda / (trace / 12.0));
  EXPECT_NEAR(power, std::round(power), 1e-9);
  EXPECT_TRUE(power > -4.5 && power < 2.5) << power;
  EXPECT_EQ(lambda, choose_ridge_lambda(train, 3));
}

TEST(ProbeTest, LambdaIsSafeWhereThereIsLittleToChooseBy) {
  LabelledFeatures train{.features = Tensor::from(std::vector<float>{1, 0, 0, 1, 2, 2}, {3, 2}),
                         .labels = {0, 1, 2},
                         .classes = 4};                              // one image a class, and a class without
  EXPECT_DOUBLE_EQ(choose_ridge_lambda(train, 1), (2.0 + 2.0) / 2);  // 1 x trace / D
  train.features = same_rows(3);
  EXPECT_DOUBLE_EQ(choose_ridge_lambda(train, 1), 1.0);
  EXPECT_THAT(apply(fit_ridge(train, 1.0), same_rows(1)).predictions, testing::ElementsAre(0));
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
