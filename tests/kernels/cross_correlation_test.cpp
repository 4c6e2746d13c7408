#include "kernels/cross_correlation.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/second_moments.h"

namespace nagare {
namespace {

using kernels::CrossCorrelation;
using test::largest_magnitude;
using test::Matrix;
using test::on_device;
using test::on_host;
using test::uneven_columns;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct Result {
  double loss = 0.0;
  Matrix correlation;
  Matrix dx;
  Matrix dy;
  bool operator==(const Result&) const = default;
};

enum class Learns { both, x, y, neither };

struct Options {
  DType dtype = DType::f32;
  Learns learns = Learns::both;
  bool in_place = false;
  bool correlation = true;
};

Result run(Device device, const CrossCorrelation& p, const Matrix& x, const Matrix& y,
           const Options& o = {}) {
  const Tensor first = on_device(x, o.dtype, device);
  const Tensor second = on_device(y, o.dtype, device);
  const Tensor dx = o.in_place ? first : Tensor::zeros(first.shape(), first.options());
  const Tensor dy = o.in_place ? second : Tensor::zeros(first.shape(), first.options());
  const Tensor correlation = Tensor::zeros({p.cols, p.cols}, {.device = device});
  const Tensor loss = Tensor::empty({}, {.device = device});
  const Tensor scratch = Tensor::full({p.scratch_floats()}, NAN, {.device = device});
  for_activation_type("test", o.dtype, [&]<class T>(T) {
    const kernels::CrossCorrelationOutputs<T> out{
        .loss = loss.data<float>(),
        .correlation = o.correlation ? correlation.data<float>() : nullptr,
        .dx = o.learns == Learns::both || o.learns == Learns::x ? dx.data<T>() : nullptr,
        .dy = o.learns == Learns::both || o.learns == Learns::y ? dy.data<T>() : nullptr};
    NAGARE_DISPATCH(device, cross_correlation(p, first.data<T>(), second.data<T>(), scratch.data<float>(),
                                              out, compute_stream(device)));
  });
  return {loss.item(), on_host(correlation), on_host(dx), on_host(dy)};
}

// The formula as it is printed, in double.
struct Definition {
  Matrix correlation;
  double loss = 0.0;
};

Matrix standardised(const CrossCorrelation& p, const Matrix& x) {
  Matrix a = test::centred(x);
  for (std::int64_t c = 0; c < p.cols; ++c) {
    double squares = 0.0;
    for (std::int64_t r = 0; r < p.rows; ++r) squares += a(r, c) * a(r, c);
    const double variance = squares / static_cast<double>(p.unbiased ? p.rows - 1 : p.rows) + p.epsilon;
    for (std::int64_t r = 0; r < p.rows; ++r) a(r, c) /= std::sqrt(variance);
  }
  return a;
}

Definition definition(const CrossCorrelation& p, const Matrix& x, const Matrix& y) {
  Definition d{test::transposed_product(standardised(p, x), standardised(p, y))};
  for (double& v : d.correlation.values()) v /= static_cast<double>(p.rows);
  for (std::int64_t i = 0; i < p.cols; ++i) {
    for (std::int64_t j = 0; j < p.cols; ++j) {
      const double c = d.correlation(i, j);
      d.loss += p.weight * (i == j ? (c - 1.0) * (c - 1.0) : static_cast<double>(p.lambda) * c * c);
    }
  }
  return d;
}

// dloss/dx by the chain rule, in double, through C whatever the form: for sizes where differences take too long.
Matrix gradient_of_x(const CrossCorrelation& p, const Matrix& x, const Matrix& y) {
  const Definition d = definition(p, x, y);
  const Matrix a = standardised(p, x);
  const Matrix b = standardised(p, y);
  const Matrix centred = test::centred(x);
  const auto count = static_cast<double>(p.rows);
  const double freedom = p.unbiased ? count - 1.0 : count;
  Matrix g(p.rows, p.cols);
  for (std::int64_t i = 0; i < p.cols; ++i) {
    for (std::int64_t j = 0; j < p.cols; ++j) {
      const double c = d.correlation(i, j);
      const double slope = 2.0 * p.weight * (i == j ? c - 1.0 : static_cast<double>(p.lambda) * c) / count;
      for (std::int64_t n = 0; n < p.rows; ++n) g(n, i) += slope * b(n, j);
    }
  }
  for (std::int64_t i = 0; i < p.cols; ++i) {
    double mean = 0.0;
    double along = 0.0;
    double squares = 0.0;
    for (std::int64_t n = 0; n < p.rows; ++n) {
      mean += g(n, i) / count;
      along += g(n, i) * a(n, i) / freedom;
      squares += centred(n, i) * centred(n, i);
    }
    const double deviation = std::sqrt(squares / freedom + p.epsilon);
    for (std::int64_t n = 0; n < p.rows; ++n) g(n, i) = (g(n, i) - mean - a(n, i) * along) / deviation;
  }
  return g;
}

using Case = std::tuple<Device, DType, std::pair<std::int64_t, std::int64_t>, bool>;
struct CrossCorrelationTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  CrossCorrelation p{.rows = std::get<2>(GetParam()).first,
                     .cols = std::get<2>(GetParam()).second,
                     .lambda = 0.05F,
                     .weight = 0.7F,
                     // In bf16 two small columns may come out without variance.
                     .epsilon = std::get<3>(GetParam()) && dtype == DType::f32 ? 0.0F : 1e-3F,
                     .unbiased = std::get<3>(GetParam())};
  Matrix x = uneven_columns(p.rows, p.cols, 1, dtype);
  Matrix y = uneven_columns(p.rows, p.cols, 2, dtype);
  // The rounding of what cancels in a gradient is measured by the narrowest column: the gradient of two rows, which are +1
  // and -1 once standardised, is nothing else.
  double tolerance(const Matrix& want) const {
    double narrowest = 1e300;
    for (const Matrix& m : {test::centred(x), test::centred(y)}) {
      for (std::int64_t c = 0; c < p.cols; ++c) {
        double squares = 0.0;
        for (std::int64_t r = 0; r < p.rows; ++r) squares += m(r, c) * m(r, c);
        narrowest = std::min(narrowest, std::sqrt(squares / static_cast<double>(p.rows) + p.epsilon));
      }
    }
    return (dtype == DType::bf16 ? 4.1e-3 : 1e-5) * largest_magnitude(want) + 1e-6 * (1.0 + 1.0 / narrowest);
  }
};

TEST_P(CrossCorrelationTest, MatchesTheDefinition) {
  const Result got = run(device, p, x, y, {.dtype = dtype});
  const Definition want = definition(p, x, y);
  EXPECT_TRUE(all_near(got.correlation, want.correlation, 2e-6));
  EXPECT_NEAR(got.loss, want.loss, 1e-5 * std::max(1.0, want.loss));
  const Matrix dx = gradient_of_x(p, x, y);
  const Matrix dy = gradient_of_x(p, y, x);  // C^T has the same loss
  EXPECT_TRUE(all_near(got.dx, dx, tolerance(dx)));
  EXPECT_TRUE(all_near(got.dy, dy, tolerance(dy)));
}

TEST_P(CrossCorrelationTest, GradientMatchesCentralDifferencesOfTheDefinition) {
  if (p.rows * p.cols > 200)
    return;  // differences cost the square of the size; MatchesTheDefinition covers it
  const Result got = run(device, p, x, y, {.dtype = dtype, .correlation = false});
  const Matrix dx =
      test::central_differences([&](const Matrix& at) { return definition(p, at, y).loss; }, x, 1e-5);
  const Matrix dy =
      test::central_differences([&](const Matrix& at) { return definition(p, x, at).loss; }, y, 1e-5);
  EXPECT_TRUE(all_near(got.dx, dx, tolerance(dx)));
  EXPECT_TRUE(all_near(got.dy, dy, tolerance(dy)));
}

TEST_P(CrossCorrelationTest, AConstantViewInPlaceAndAgainGiveTheSameBits) {
  const Result both = run(device, p, x, y, {.dtype = dtype});
  EXPECT_EQ(run(device, p, x, y, {.dtype = dtype}), both);
  EXPECT_EQ(run(device, p, x, y, {.dtype = dtype, .in_place = true}), both);
  const Matrix untouched(p.rows, p.cols);
  const auto with = [&](Learns learns) { return run(device, p, x, y, {.dtype = dtype, .learns = learns}); };
  EXPECT_EQ(with(Learns::x), (Result{both.loss, both.correlation, both.dx, untouched}));
  EXPECT_EQ(with(Learns::y), (Result{both.loss, both.correlation, untouched, both.dy}));
  EXPECT_EQ(with(Learns::neither), (Result{both.loss, both.correlation, untouched, untouched}));
}

// Both forms (rows < cols and not), a tile of either twin and its neighbours, more than one split of the columns.
INSTANTIATE_TEST_SUITE_P(
    Sizes, CrossCorrelationTest,
    testing::Combine(testing::ValuesIn(test::devices()), testing::Values(DType::f32, DType::bf16),
                     testing::ValuesIn(std::vector<std::pair<std::int64_t, std::int64_t>>{
                         {2, 1},
                         {2, 2},
                         {2, 5},
                         {3, 2},
                         {7, 13},
                         {13, 7},
                         {16, 16},
                         {63, 64},
                         {64, 65},
                         {65, 63},
                         {66, 130},
                         {5, 300},
                         {131, 129}}),
                     testing::Bool()));

struct CrossCorrelationEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(CrossCorrelationEdges, ColumnsWithoutVariance) {
  for (const std::int64_t rows : {4, 12}) {  // both forms for 6 columns
    Matrix x = test::normal(rows, 6, 3);
    const Matrix y = test::normal(rows, 6, 4);
    for (std::int64_t r = 0; r < rows; ++r) x(r, 2) = 0.25;
    for (const float epsilon : {0.0F, 1e-5F}) {
      const CrossCorrelation p{.rows = rows, .cols = 6, .epsilon = epsilon};
      const Result got = run(device, p, x, y);
      const Definition want = definition(p, x, y);  // row 2 of its C is 0 / 0 without epsilon
      for (std::int64_t c = 0; c < 6; ++c) {
        EXPECT_EQ(got.correlation(2, c), 0.0);
        EXPECT_NEAR(got.correlation(0, c), want.correlation(0, c), 2e-6);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        EXPECT_TRUE(std::isfinite(got.dx(r, 2)));
        EXPECT_TRUE(epsilon > 0.0F || got.dx(r, 2) == 0.0);
      }
      EXPECT_TRUE(std::isfinite(got.loss));
    }
  }
}

TEST_P(CrossCorrelationEdges, IdenticalAndCollapsedViews) {
  const Matrix x = test::normal(24, 9, 5);
  const CrossCorrelation p{.rows = 24, .cols = 9, .lambda = 0.0F, .epsilon = 0.0F};
  EXPECT_NEAR(run(device, p, x, x).loss, 0.0, 1e-6);
  // Unbiased deviations, but C over N: a perfect match has C_ii = (N - 1) / N.
  CrossCorrelation unbiased = p;
  unbiased.unbiased = true;
  EXPECT_NEAR(run(device, unbiased, x, x).loss, 9.0 / (24.0 * 24.0), 1e-6);
  const Matrix same(24, 9);  // all features equal: C = 0
  EXPECT_NEAR(run(device, {.rows = 24, .cols = 9}, same, same).loss, 9.0, 1e-6);
}

// Far from zero in units of the deviation: nothing but what the inputs have lost already is lost.
TEST_P(CrossCorrelationEdges, LargeMeansAndMagnitudes) {
  for (const std::int64_t rows : {6, 20}) {
    Matrix x = test::normal(rows, 11, 6);
    Matrix y = test::normal(rows, 11, 7);
    for (double& v : x.values()) v = static_cast<float>(1000.0 + v);
    for (double& v : y.values()) v = static_cast<float>(v * 1e15);
    const CrossCorrelation p{.rows = rows, .cols = 11};
    const Result got = run(device, p, x, y);
    EXPECT_TRUE(all_near(got.correlation, definition(p, x, y).correlation, 5e-6));
    const Matrix dx = gradient_of_x(p, x, y);
    EXPECT_TRUE(all_near(got.dx, dx, 1e-4 * largest_magnitude(dx)));
    const Matrix dy = gradient_of_x(p, y, x);
    EXPECT_TRUE(all_near(got.dy, dy, 1e-4 * largest_magnitude(dy)));
  }
}

TEST_P(CrossCorrelationEdges, NanIsVisibleAndNonsenseIsRefusedByName) {
  for (const std::int64_t rows : {3, 8}) {
    Matrix x = test::normal(rows, 5, 8);
    const Matrix y = test::normal(rows, 5, 9);
    x(1, 2) = NAN;
    EXPECT_TRUE(std::isnan(run(device, {.rows = rows, .cols = 5}, x, y).loss));
    x(1, 2) = INFINITY;
    EXPECT_TRUE(std::isnan(run(device, {.rows = rows, .cols = 5}, x, y).loss));
  }
  EXPECT_THAT(
      [] { CrossCorrelation({.rows = 1, .cols = 3}).check(); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("cross_correlation: shape (1, 3), lambda 0.0051")));
  EXPECT_THROW((CrossCorrelation{.rows = 2, .cols = 0}.check()), std::invalid_argument);
  for (const float bad : {-1.0F, NAN, INFINITY}) {
    EXPECT_THROW((CrossCorrelation{.rows = 2, .cols = 3, .lambda = bad}.check()), std::invalid_argument);
    EXPECT_THROW((CrossCorrelation{.rows = 2, .cols = 3, .epsilon = bad}.check()), std::invalid_argument);
  }
  EXPECT_THROW((CrossCorrelation{.rows = 2, .cols = 3, .weight = NAN}.check()), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, CrossCorrelationEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
