#include "kernels/cross_entropy.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "kernels/log_sum_exp.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::CrossEntropy;
using test::Buffer;
using test::Matrix;

struct CrossEntropyTest : testing::TestWithParam<std::tuple<Device, std::int64_t, std::int64_t, float>> {
  Device device = std::get<0>(GetParam());
  CrossEntropy p{std::get<1>(GetParam()), std::get<2>(GetParam()), std::get<3>(GetParam())};
  Stream stream = compute_stream(device);
  Matrix x = test::normal(p.rows, p.cols, 1);
  Buffer in{device, x};
  Tensor half;
  Buffer max{device, Matrix(p.rows, 1)};
  Buffer log_sum{device, Matrix(p.rows, 1)};
  Buffer loss{device, Matrix(p.rows, 1)};
  Buffer upstream{device, {{3.0}}};
  kernels::RowLogSum denominators{max.data(), log_sum.data()};

  void SetUp() override {
    NAGARE_DISPATCH(
        device, row_log_sum({.rows = p.rows, .cols = p.cols}, in.data(), max.data(), log_sum.data(), stream));
  }

  // bf16 logits, which `in` holds exactly, so that its denominators are theirs too.
  void SetUpHalf() {
    x = test::rounded_to_bf16(x);
    in = Buffer(device, x);
    half = test::to_bf16(device, x);
    SetUp();
  }

  // The row losses for row weights q, and the gradient of three times their mean.
  void expect(const Matrix& q, const Matrix& got_loss, const Matrix& got_gradient, double rounding = 1e-5) {
    Matrix want(p.rows, 1);
    Matrix gradient = x;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      double sum = 0.0;
      double mass = 0.0;
      for (const double v : x.row(r)) sum += std::exp(v);
      for (std::int64_t c = 0; c < p.cols; ++c) {
        want(r, 0) -= q(r, c) * (x(r, c) - std::log(sum));
        mass += q(r, c);
      }
      for (std::int64_t c = 0; c < p.cols; ++c) {
        gradient(r, c) = 3.0 * (mass * std::exp(x(r, c)) / sum - q(r, c)) / static_cast<double>(p.rows);
      }
    }
    double largest = 1.0;
    for (const double v : want.values()) largest = std::max(largest, std::abs(v));
    EXPECT_TRUE(all_near(got_loss, want, 1e-5 * largest));
    EXPECT_TRUE(all_near(got_gradient, gradient, rounding * largest));
  }
};

// Targets of the rows, and the same as weights.
struct Targets {
  explicit Targets(const CrossEntropy& p) : weights(p.rows, p.cols) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      index.push_back((r * 5 + 2) % p.cols);
      for (double& v : weights.row(r)) v = p.label_smoothing / static_cast<double>(p.cols);
      weights(r, index.back()) += 1.0 - p.label_smoothing;
    }
  }
  std::vector<std::int64_t> index;
  Matrix weights;
};

TEST_P(CrossEntropyTest, TargetsMatchTheDefinition) {
  const Targets targets(p);
  const Tensor t = Tensor::from(targets.index, {p.rows}, device);
  NAGARE_DISPATCH(device,
                  cross_entropy(p, in.data(), denominators, t.data<std::int64_t>(), loss.data(), stream));
  NAGARE_DISPATCH(device, cross_entropy_backward(p, in.data(), denominators, t.data<std::int64_t>(),
                                                 upstream.data(), in.data(), stream));
  expect(targets.weights, loss.to_host(), in.to_host());
}

TEST_P(CrossEntropyTest, HalfPrecisionLogitsAreReadAsTheyAre) {
  if (p.rows == 0) return;
  SetUpHalf();
  const Targets targets(p);
  const Tensor t = Tensor::from(targets.index, {p.rows}, device);
  const Tensor dx = empty_like(half);
  NAGARE_DISPATCH(
      device, cross_entropy(p, half.data<bf16>(), denominators, t.data<std::int64_t>(), loss.data(), stream));
  NAGARE_DISPATCH(device, cross_entropy_backward(p, half.data<bf16>(), denominators, t.data<std::int64_t>(),
                                                 upstream.data(), dx.data<bf16>(), stream));
  expect(targets.weights, loss.to_host(), test::to_matrix(dx, p.rows), 1.2e-2);
  Matrix q = test::normal(p.rows, p.cols, 2);
  for (double& v : q.values()) v = std::max(v, 0.0);
  const Buffer weights(device, q);
  NAGARE_DISPATCH(
      device, soft_cross_entropy(p, half.data<bf16>(), denominators, weights.data(), loss.data(), stream));
  NAGARE_DISPATCH(device, soft_cross_entropy_backward(p, half.data<bf16>(), denominators, weights.data(),
                                                      upstream.data(), dx.data<bf16>(), stream));
  expect(q, loss.to_host(), test::to_matrix(dx, p.rows), 1.2e-2);
}

TEST_P(CrossEntropyTest, ProbabilitiesMatchTheDefinition) {
  Matrix q = test::normal(p.rows, p.cols, 2);
  for (double& v : q.values()) v = std::max(v, 0.0);
  const Buffer weights(device, q);
  NAGARE_DISPATCH(device,
                  soft_cross_entropy(p, in.data(), denominators, weights.data(), loss.data(), stream));
  NAGARE_DISPATCH(device, soft_cross_entropy_backward(p, in.data(), denominators, weights.data(),
                                                      upstream.data(), in.data(), stream));
  expect(q, loss.to_host(), in.to_host());
}

INSTANTIATE_TEST_SUITE_P(Sizes, CrossEntropyTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 1, 5),
                                          testing::Values(1, 2, 31, 33, 257, 1031),
                                          testing::Values(0.0F, 0.1F, 1.0F)));

TEST(CrossEntropyCheck, NonsenseIsRefusedByName) {
  for (const float bad : {-0.1F, 1.1F, NAN}) {
    EXPECT_THAT(
        [bad] {
          (CrossEntropy{2, 3, bad}).check();
        },
        testing::ThrowsMessage<std::invalid_argument>(
            testing::HasSubstr("cross_entropy: logits (2, 3), label smoothing")));
  }
}

struct CrossEntropyEdges : testing::TestWithParam<Device> {};

TEST_P(CrossEntropyEdges, AZeroWeightHidesAMaskedLogit) {
  const Device device = GetParam();
  const Buffer x(device, {{0, -INFINITY}});
  const Buffer q(device, {{1, 0}});
  const Buffer max(device, {{0}});
  const Buffer log_sum(device, {{0}});
  const Buffer loss(device, {{7}});
  NAGARE_DISPATCH(device, soft_cross_entropy({.rows = 1, .cols = 2}, x.data(), {max.data(), log_sum.data()},
                                             q.data(), loss.data(), compute_stream(device)));
  EXPECT_EQ(loss.to_host()(0, 0), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Devices, CrossEntropyEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
