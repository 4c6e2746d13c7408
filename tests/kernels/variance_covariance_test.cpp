#include "kernels/variance_covariance.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/second_moments.h"

namespace nagare {
namespace {

using kernels::VarianceCovariance;
using test::largest_magnitude;
using test::Matrix;
using test::on_device;
using test::on_host;
using test::uneven_columns;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct Result {
  std::vector<float> terms;
  Matrix dx;
  Matrix dy;
  bool operator==(const Result&) const = default;
};

enum class Learns { both, x, y, neither };

Result run(Device device, DType dtype, const VarianceCovariance& p, const Matrix& x, const Matrix& y,
           Learns learns = Learns::both) {
  const Tensor first = on_device(x, dtype, device);
  const Tensor second = on_device(y, dtype, device);
  const Tensor dx = Tensor::zeros(first.shape(), first.options());
  const Tensor dy = Tensor::zeros(first.shape(), first.options());
  const Tensor terms = Tensor::empty({4}, {.device = device});
  const Tensor scratch = Tensor::full({p.scratch_floats()}, NAN, {.device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    const kernels::VarianceCovarianceOutputs<T> out{
        .terms = terms.data<float>(),
        .dx = learns == Learns::both || learns == Learns::x ? dx.data<T>() : nullptr,
        .dy = learns == Learns::both || learns == Learns::y ? dy.data<T>() : nullptr};
    NAGARE_DISPATCH(device, variance_covariance(p, first.data<T>(), second.data<T>(), scratch.data<float>(),
                                                out, compute_stream(device)));
  });
  return {terms.to_vector<float>(), on_host(dx), on_host(dy)};
}

// The formula as it is printed, in double, through C whatever the form.
struct Moments {
  Matrix centred;
  Matrix covariance;
  double deviation(const VarianceCovariance& p, std::int64_t c) const {
    return std::sqrt(covariance(c, c) + p.epsilon);
  }
};

Moments moments(const VarianceCovariance& p, const Matrix& x) {
  Moments m{test::centred(x), {}};
  m.covariance = test::transposed_product(m.centred, m.centred);
  for (double& v : m.covariance.values()) v /= static_cast<double>(p.rows - 1);
  return m;
}

struct Terms {
  double invariance = 0.0;
  double variance = 0.0;
  double covariance = 0.0;
  double loss(const VarianceCovariance& p) const {
    return p.invariance_weight * invariance + p.variance_weight * variance + p.covariance_weight * covariance;
  }
};

Terms definition(const VarianceCovariance& p, const Matrix& x, const Matrix& y) {
  Terms t;
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    t.invariance += std::pow(x.values()[i] - y.values()[i], 2) / static_cast<double>(p.rows * p.cols);
  }
  for (const Matrix* view : {&x, &y}) {
    if (!p.needs_moments()) break;
    const Moments m = moments(p, *view);
    for (std::int64_t i = 0; i < p.cols; ++i) {
      if (p.variance_weight != 0.0F)
        t.variance += std::max(0.0, 1.0 - m.deviation(p, i)) / static_cast<double>(p.cols);
      for (std::int64_t j = 0; j < p.cols && p.needs_products(); ++j) {
        if (i != j) t.covariance += std::pow(m.covariance(i, j), 2) / static_cast<double>(p.cols);
      }
    }
  }
  return t;
}

Matrix gradient_of_x(const VarianceCovariance& p, const Matrix& x, const Matrix& y) {
  const auto rows = static_cast<double>(p.rows);
  const auto cols = static_cast<double>(p.cols);
  Matrix g(p.rows, p.cols);
  for (std::size_t i = 0; i < g.values().size(); ++i) {
    g.values()[i] = 2.0 * p.invariance_weight * (x.values()[i] - y.values()[i]) / (rows * cols);
  }
  if (!p.needs_moments()) return g;
  const Moments m = moments(p, x);
  for (std::int64_t j = 0; j < p.cols; ++j) {
    const double sd = m.deviation(p, j);
    for (std::int64_t n = 0; n < p.rows; ++n) {
      if (sd < 1.0) g(n, j) -= p.variance_weight / cols * m.centred(n, j) / ((rows - 1.0) * sd);
      for (std::int64_t i = 0; i < p.cols; ++i) {
        if (i != j)
          g(n, j) += 4.0 * p.covariance_weight / (cols * (rows - 1.0)) * m.centred(n, i) * m.covariance(i, j);
      }
    }
  }
  return g;
}

struct Weights {
  float invariance, variance, covariance;
};
using Case = std::tuple<Device, DType, std::pair<std::int64_t, std::int64_t>, Weights>;
struct VarianceCovarianceTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  VarianceCovariance p{.rows = std::get<2>(GetParam()).first,
                       .cols = std::get<2>(GetParam()).second,
                       .invariance_weight = std::get<3>(GetParam()).invariance,
                       .variance_weight = std::get<3>(GetParam()).variance,
                       .covariance_weight = std::get<3>(GetParam()).covariance,
                       .epsilon = 1e-3F};
  Matrix x = uneven_columns(p.rows, p.cols, 1, dtype);
  Matrix y = uneven_columns(p.rows, p.cols, 2, dtype);
  double tolerance(const Matrix& want) const {
    return (dtype == DType::bf16 ? 4.1e-3 : 1e-5) * largest_magnitude(want);
  }
};

TEST_P(VarianceCovarianceTest, MatchesTheDefinition) {
  const Result got = run(device, dtype, p, x, y);
  const Terms want = definition(p, x, y);
  const double terms[] = {want.loss(p), p.invariance_weight != 0.0F ? want.invariance : 0.0, want.variance,
                          want.covariance};
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(got.terms[i], terms[i], 1e-5 * std::max(1.0, terms[i])) << i;
  const Matrix dx = gradient_of_x(p, x, y);
  const Matrix dy = gradient_of_x(p, y, x);
  EXPECT_TRUE(all_near(got.dx, dx, tolerance(dx)));
  EXPECT_TRUE(all_near(got.dy, dy, tolerance(dy)));
}

TEST_P(VarianceCovarianceTest, GradientMatchesCentralDifferencesOfTheDefinition) {
  if (p.rows * p.cols > 200)
    return;  // differences cost the square of the size; MatchesTheDefinition covers it
  const Result got = run(device, dtype, p, x, y);
  const Matrix dx =
      test::central_differences([&](const Matrix& at) { return definition(p, at, y).loss(p); }, x, 1e-5);
  const Matrix dy =
      test::central_differences([&](const Matrix& at) { return definition(p, x, at).loss(p); }, y, 1e-5);
  EXPECT_TRUE(all_near(got.dx, dx, tolerance(dx) + 1e-7));
  EXPECT_TRUE(all_near(got.dy, dy, tolerance(dy) + 1e-7));
}

TEST_P(VarianceCovarianceTest, AConstantViewAndAgainGiveTheSameBits) {
  const Result both = run(device, dtype, p, x, y);
  EXPECT_EQ(run(device, dtype, p, x, y), both);
  const Matrix untouched(p.rows, p.cols);
  EXPECT_EQ(run(device, dtype, p, x, y, Learns::x), (Result{both.terms, both.dx, untouched}));
  EXPECT_EQ(run(device, dtype, p, x, y, Learns::y), (Result{both.terms, untouched, both.dy}));
  EXPECT_EQ(run(device, dtype, p, x, y, Learns::neither), (Result{both.terms, untouched, untouched}));
}

// Both forms (rows < cols and not), a tile of either twin and its neighbours, more than one split of the columns.
const auto kSizes = testing::ValuesIn(std::vector<std::pair<std::int64_t, std::int64_t>>{
    {2, 1}, {2, 5}, {3, 2}, {7, 13}, {13, 7}, {16, 16}, {63, 64}, {65, 63}, {66, 130}, {5, 300}, {131, 129}});
INSTANTIATE_TEST_SUITE_P(Sizes, VarianceCovarianceTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16), kSizes,
                                          testing::Values(Weights{25.0F, 12.5F, 1.0F})));
// Each term alone, and none.
INSTANTIATE_TEST_SUITE_P(
    Terms, VarianceCovarianceTest,
    testing::Combine(testing::ValuesIn(test::devices()), testing::Values(DType::f32),
                     testing::ValuesIn(std::vector<std::pair<std::int64_t, std::int64_t>>{{7, 13}, {13, 7}}),
                     testing::Values(Weights{2.0F, 0.0F, 0.0F}, Weights{0.0F, 3.0F, 0.0F},
                                     Weights{0.0F, 0.0F, 0.5F}, Weights{0.0F, 0.0F, 0.0F})));

struct VarianceCovarianceEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(VarianceCovarianceEdges, CollapsedFeaturesPayTheWholeHinge) {
  for (const std::int64_t rows : {4, 12}) {
    Matrix x(rows, 6);
    for (double& v : x.values()) v = 0.25;
    const Result got = run(device, DType::f32, {.rows = rows, .cols = 6}, x, x);
    EXPECT_NEAR(got.terms[0], 25.0 * (1.0 - std::sqrt(1e-4)), 1e-5);
    EXPECT_EQ(got.terms[1], 0.0F);
    EXPECT_EQ(got.terms[3], 0.0F);
    for (const double g : got.dx.values()) EXPECT_EQ(g, 0.0);
  }
}

TEST_P(VarianceCovarianceEdges, LargeMeansAndMagnitudes) {
  for (const std::int64_t rows : {6, 20}) {
    Matrix x = test::normal(rows, 11, 6);
    Matrix y = test::normal(rows, 11, 7);
    for (double& v : x.values()) v = static_cast<float>(500.0 + 0.5 * v);
    for (double& v : y.values()) v = static_cast<float>(v * 1e5);
    const VarianceCovariance p{.rows = rows, .cols = 11};
    const Result got = run(device, DType::f32, p, x, y);
    const Terms want = definition(p, x, y);
    EXPECT_NEAR(got.terms[0] / want.loss(p), 1.0, 1e-5);
    EXPECT_NEAR(got.terms[2], want.variance, 2e-5);
    const Matrix dy = gradient_of_x(p, y, x);
    EXPECT_TRUE(all_near(got.dy, dy, 1e-5 * largest_magnitude(dy)));
    // x by itself: y = x takes the difference away.
    const Matrix dx = gradient_of_x(p, x, x);
    EXPECT_TRUE(all_near(run(device, DType::f32, p, x, x).dx, dx, 1e-3 * largest_magnitude(dx)));
  }
}

TEST_P(VarianceCovarianceEdges, OneRowIsEnoughForTheInvarianceAlone) {
  const VarianceCovariance p{
      .rows = 1, .cols = 2, .invariance_weight = 1.0F, .variance_weight = 0.0F, .covariance_weight = 0.0F};
  const Result got = run(device, DType::f32, p, {{1, 2}}, {{4, 2}});
  EXPECT_EQ(got.terms, (std::vector<float>{4.5F, 4.5F, 0.0F, 0.0F}));
  EXPECT_TRUE(all_near(got.dx, {{-3, 0}}, 0.0));
  EXPECT_TRUE(all_near(got.dy, {{3, 0}}, 0.0));
}

TEST_P(VarianceCovarianceEdges, NanIsVisibleAndNonsenseIsRefusedByName) {
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    for (const std::int64_t rows : {3, 8}) {
      Matrix x = test::normal(rows, 5, 8);
      x(1, 2) = bad;
      EXPECT_TRUE(std::isnan(
          run(device, DType::f32, {.rows = rows, .cols = 5}, x, test::normal(rows, 5, 9)).terms[0]));
    }
  }
  EXPECT_THAT(
      [] { VarianceCovariance({.rows = 1, .cols = 3}).check(); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("variance_covariance: shape (1, 3), weights 25.0")));
  EXPECT_THROW((VarianceCovariance{.rows = 2, .cols = 0}.check()), std::invalid_argument);
  for (const float bad : {0.0F, -1.0F, NAN, INFINITY}) {
    EXPECT_THROW((VarianceCovariance{.rows = 2, .cols = 3, .epsilon = bad}.check()), std::invalid_argument);
  }
  for (const float bad : {NAN, INFINITY}) {
    EXPECT_THROW((VarianceCovariance{.rows = 2, .cols = 3, .invariance_weight = bad}.check()),
                 std::invalid_argument);
    EXPECT_THROW((VarianceCovariance{.rows = 2, .cols = 3, .variance_weight = bad}.check()),
                 std::invalid_argument);
    EXPECT_THROW((VarianceCovariance{.rows = 2, .cols = 3, .covariance_weight = bad}.check()),
                 std::invalid_argument);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, VarianceCovarianceEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
