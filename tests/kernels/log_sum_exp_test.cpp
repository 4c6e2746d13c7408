#include "kernels/log_sum_exp.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::LogSumExp;
using test::Buffer;
using test::Matrix;

struct LogSumExpTest : testing::TestWithParam<std::tuple<Device, std::int64_t, std::int64_t, double>> {
  Device device = std::get<0>(GetParam());
  LogSumExp p{.rows = std::get<1>(GetParam()), .cols = std::get<2>(GetParam())};
  double offset = std::get<3>(GetParam());
};

TEST_P(LogSumExpTest, MatchesTheDefinitionWhateverTheOffset) {
  Matrix x = test::normal(p.rows, p.cols, 1);
  for (double& v : x.values()) v = static_cast<float>(v + offset);
  const Matrix dy = test::normal(p.rows, 1, 2);
  Matrix want(p.rows, 1);
  Matrix dx = x;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double sum = 0.0;
    for (const double v : x.row(r)) sum += std::exp(v - offset);
    want(r, 0) = std::log(sum);
    for (std::int64_t c = 0; c < p.cols; ++c) dx(r, c) = dy(r, 0) * std::exp(x(r, c) - offset) / sum;
  }
  const Buffer in(device, x);
  const Buffer max(device, want);
  const Buffer log_sum(device, want);
  const Buffer upstream(device, dy);
  NAGARE_DISPATCH(device, row_log_sum(p, in.data(), max.data(), log_sum.data(), compute_stream(device)));
  const Matrix m = max.to_host();
  const Matrix l = log_sum.to_host();
  Matrix got(p.rows, 1);
  for (std::int64_t r = 0; r < p.rows; ++r) got(r, 0) = (m(r, 0) - offset) + l(r, 0);
  EXPECT_TRUE(all_near(got, want, 4e-6));
  NAGARE_DISPATCH(device, log_sum_exp_backward(p, in.data(), max.data(), log_sum.data(), upstream.data(),
                                               in.data(), compute_stream(device)));
  EXPECT_TRUE(all_near(in.to_host(), dx, 2e-6));
}

TEST_P(LogSumExpTest, HalfPrecisionRowsAreReadAsTheyAre) {
  Matrix x = test::normal(p.rows, p.cols, 1);
  for (double& v : x.values()) v += offset;
  x = test::rounded_to_bf16(x);
  const Matrix dy = test::normal(p.rows, 1, 2);
  Matrix want(p.rows, 1);
  Matrix dx = p.rows == 0 ? Matrix() : x;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double sum = 0.0;
    for (const double v : x.row(r)) sum += std::exp(v - offset);
    want(r, 0) = std::log(sum);
    for (std::int64_t c = 0; c < p.cols; ++c) dx(r, c) = dy(r, 0) * std::exp(x(r, c) - offset) / sum;
  }
  const Tensor in = test::to_bf16(device, x);
  const Buffer max(device, want);
  const Buffer log_sum(device, want);
  const Buffer upstream(device, dy);
  NAGARE_DISPATCH(device,
                  row_log_sum(p, in.data<bf16>(), max.data(), log_sum.data(), compute_stream(device)));
  const Matrix m = max.to_host();
  const Matrix l = log_sum.to_host();
  for (std::int64_t r = 0; r < p.rows; ++r) EXPECT_NEAR((m(r, 0) - offset) + l(r, 0), want(r, 0), 4e-6);
  NAGARE_DISPATCH(device, log_sum_exp_backward(p, in.data<bf16>(), max.data(), log_sum.data(),
                                               upstream.data(), in.data<bf16>(), compute_stream(device)));
  EXPECT_TRUE(all_near(test::to_matrix(in, p.rows), dx, 8e-3));
}

INSTANTIATE_TEST_SUITE_P(Sizes, LogSumExpTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 1, 5),
                                          testing::Values(1, 31, 32, 33, 257, 1031, 2050),
                                          testing::Values(0.0, 1000.0, -1000.0)));

struct LogSumExpEdges : testing::TestWithParam<Device> {};

TEST_P(LogSumExpEdges, MaskedAndBadRows) {
  const double inf = INFINITY;
  const Buffer x(GetParam(), {{2, -inf}, {-inf, -inf}, {NAN, 1}, {1, NAN}, {inf, 1}, {0, 0}});
  const Buffer max(GetParam(), Matrix(6, 1));
  const Buffer log_sum(GetParam(), Matrix(6, 1));
  NAGARE_DISPATCH(GetParam(), row_log_sum({.rows = 6, .cols = 2}, x.data(), max.data(), log_sum.data(),
                                          compute_stream(GetParam())));
  const auto value = [&](int r) { return max.to_host()(r, 0) + log_sum.to_host()(r, 0); };
  EXPECT_EQ(value(0), 2.0);
  EXPECT_EQ(value(1), -inf);
  for (const int r : {2, 3, 4}) EXPECT_TRUE(std::isnan(value(r))) << r;
  EXPECT_NEAR(value(5), std::log(2.0), 1e-7);
}

TEST_P(LogSumExpEdges, NonsenseIsRefusedByName) {
  EXPECT_THAT([] { (LogSumExp{.rows = 3, .cols = 0}).check(); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("log_sum_exp: shape (3, 0)")));
}

INSTANTIATE_TEST_SUITE_P(Devices, LogSumExpEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
