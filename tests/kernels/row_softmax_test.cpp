#include "kernels/row_softmax.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::RowSoftmax;
using test::Buffer;
using test::Matrix;

Matrix forward(Device device, const RowSoftmax& p, const Matrix& x, bool log = false) {
  const Buffer in(device, x);
  const Buffer out(device, x);
  if (log) {
    NAGARE_DISPATCH(device, row_log_softmax(p, in.data(), out.data(), compute_stream(device)));
  } else {
    NAGARE_DISPATCH(device, row_softmax(p, in.data(), out.data(), compute_stream(device)));
  }
  return out.to_host();
}

Matrix backward(Device device, const RowSoftmax& p, const Matrix& y, const Matrix& dy, bool log = false) {
  const Buffer out(device, y);
  const Buffer grad(device, dy);
  const Buffer in_grad(device, dy);
  if (log) {
    NAGARE_DISPATCH(
        device, row_log_softmax_backward(p, out.data(), grad.data(), in_grad.data(), compute_stream(device)));
  } else {
    NAGARE_DISPATCH(device,
                    row_softmax_backward(p, out.data(), grad.data(), in_grad.data(), compute_stream(device)));
  }
  return in_grad.to_host();
}

// The definition in double, without the running maximum: test and kernel must not share a mistake.
Matrix definition(const RowSoftmax& p, Matrix x, bool log = false) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double sum = 0.0;
    for (double& v : x.row(r)) sum += (v = std::exp(v / p.temperature));
    for (double& v : x.row(r)) v = log ? std::log(v / sum) : v / sum;
  }
  return x;
}

using Case = std::tuple<Device, std::int64_t, std::int64_t, float>;
struct RowSoftmaxTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  RowSoftmax p{std::get<1>(GetParam()), std::get<2>(GetParam()), std::get<3>(GetParam())};
  Matrix x = test::normal(p.rows, p.cols, /*seed=*/1);
};

TEST_P(RowSoftmaxTest, MatchesTheDefinition) {
  EXPECT_TRUE(all_near(forward(device, p, x), definition(p, x), 1e-6));
  EXPECT_TRUE(all_near(forward(device, p, x, true), definition(p, x, true), 2e-6 / p.temperature));
}

TEST_P(RowSoftmaxTest, GradientMatchesCentralDifferencesOfTheDefinition) {
  const Matrix dy = test::normal(p.rows, p.cols, /*seed=*/2);  // with dy = 1 every softmax gradient is 0
  for (const bool log : {false, true}) {
    const auto loss = [&](const Matrix& at) { return test::dot(dy, definition(p, at, log)); };
    EXPECT_TRUE(all_near(backward(device, p, definition(p, x, log), dy, log),
                         test::central_differences(loss, x, 1e-5), 4e-6 / p.temperature));
  }
}

TEST_P(RowSoftmaxTest, InPlaceGivesTheSameBits) {
  const Buffer y(device, x);
  const Buffer dx(device, x);
  NAGARE_DISPATCH(device, row_softmax(p, y.data(), y.data(), compute_stream(device)));
  NAGARE_DISPATCH(device, row_softmax_backward(p, y.data(), dx.data(), dx.data(), compute_stream(device)));
  EXPECT_EQ(y.to_host(), forward(device, p, x));
  EXPECT_EQ(dx.to_host(), backward(device, p, y.to_host(), x));
}

INSTANTIATE_TEST_SUITE_P(Sizes, RowSoftmaxTest,  // 1, primes, a warp and its neighbours, more than a block
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(1, 2, 5),
                                          testing::Values(1, 31, 32, 33, 257), testing::Values(0.05F, 1.0F)));

// Long rows take other paths: more than a tile (CPU), a block per row (CUDA); 1031 and 2050 leave rows unaligned.
struct RowSoftmaxLong : testing::TestWithParam<std::tuple<Device, std::int64_t>> {};

TEST_P(RowSoftmaxLong, MatchesTheDefinitionForwardAndBackward) {
  const auto [device, cols] = GetParam();
  const RowSoftmax p{.rows = 3, .cols = cols, .temperature = 0.25F};
  const Matrix x = test::normal(3, cols, 1);
  const Matrix dy = test::normal(3, cols, 2);
  const Matrix y = definition(p, x);
  EXPECT_TRUE(all_near(forward(device, p, x), y, 1e-6));
  EXPECT_TRUE(all_near(forward(device, p, x, true), definition(p, x, true), 8e-6));
  Matrix dx = x;
  Matrix log_dx = x;
  for (std::int64_t r = 0; r < 3; ++r) {
    double dot = 0.0;
    double sum = 0.0;
    for (std::int64_t c = 0; c < cols; ++c) {
      dot += y(r, c) * dy(r, c);
      sum += dy(r, c);
    }
    for (std::int64_t c = 0; c < cols; ++c) {
      dx(r, c) = y(r, c) * (dy(r, c) - dot) / p.temperature;
      log_dx(r, c) = (dy(r, c) - y(r, c) * sum) / p.temperature;
    }
  }
  EXPECT_TRUE(all_near(backward(device, p, y, dy), dx, 1e-6));
  EXPECT_TRUE(all_near(backward(device, p, definition(p, x, true), dy, true), log_dx, 2e-5));
}

INSTANTIATE_TEST_SUITE_P(Sizes, RowSoftmaxLong,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(1024, 1031, 2050)));

struct RowSoftmaxEdges : testing::TestWithParam<Device> {};

TEST_P(RowSoftmaxEdges, MaskedEntryIsZeroAndABadRowHarmsNoOther) {
  const double inf = INFINITY;
  const Matrix x = {{0, -inf}, {NAN, 1}, {1, NAN}, {inf, 1}, {-inf, -inf}, {1000, -1000}};
  const Matrix y = forward(GetParam(), {.rows = 6, .cols = 2}, x);
  EXPECT_TRUE(test::all_near({{y(0, 0), y(0, 1)}, {y(5, 0), y(5, 1)}}, {{1, 0}, {1, 0}}, 0));
  for (const int r : {1, 2, 3, 4}) EXPECT_TRUE(std::isnan(y(r, 0)) && std::isnan(y(r, 1))) << "row " << r;
}

// A tile that is masked throughout, and a bad entry in it.
TEST_P(RowSoftmaxEdges, MaskedStretchesOfALongRow) {
  Matrix x(2, 2100);
  for (std::int64_t c = 0; c < 1500; ++c) x(0, c) = x(1, c) = -INFINITY;
  x(1, 7) = NAN;
  const Matrix y = forward(GetParam(), {.rows = 2, .cols = 2100}, x);
  const Matrix log_y = forward(GetParam(), {.rows = 2, .cols = 2100}, x, true);
  EXPECT_EQ(y(0, 0), 0.0);
  EXPECT_NEAR(y(0, 2099), 1.0 / 600.0, 1e-9);
  EXPECT_NEAR(log_y(0, 2099), -std::log(600.0), 1e-6);
  EXPECT_TRUE(std::isnan(y(1, 2099)) && std::isnan(log_y(1, 2099)));
}

TEST_P(RowSoftmaxEdges, EmptyIsValidAndNonsenseIsRefusedByName) {
  EXPECT_NO_THROW(forward(GetParam(), {.rows = 0, .cols = 7}, Matrix(0, 7)));
  EXPECT_THAT([] { forward(GetParam(), {.rows = 4, .cols = 3, .temperature = NAN}, Matrix(4, 3)); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(4, 3), temperature nan")));
}

INSTANTIATE_TEST_SUITE_P(Devices, RowSoftmaxEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
