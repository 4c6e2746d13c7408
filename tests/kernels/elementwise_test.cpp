#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using test::Buffer;
using test::Matrix;

struct ElementwiseTest : testing::TestWithParam<std::tuple<Device, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  std::int64_t n = std::get<1>(GetParam());
};

TEST_P(ElementwiseTest, LinearCombinationMatchesTheDefinition) {
  const Matrix a = test::normal(1, n, 1);
  const Matrix b = test::normal(1, n, 2);
  const Buffer left(device, a);
  const Buffer right(device, b);
  NAGARE_DISPATCH(device, linear_combination({.n = n, .alpha = 0.5F, .beta = -3.0F}, left.data(),
                                             right.data(), left.data(), compute_stream(device)));
  Matrix want(1, n);
  for (std::int64_t i = 0; i < n; ++i) want(0, i) = 0.5 * a(0, i) - 3.0 * b(0, i);
  EXPECT_TRUE(all_near(left.to_host(), want, 4e-6));
}

TEST_P(ElementwiseTest, AffineAndMultiplyMatchTheirDefinitionsInPlace) {
  const Matrix a = test::normal(1, n, 1);
  const Matrix b = test::normal(1, n, 2);
  const Buffer shifted(device, a);
  const Buffer product(device, a);
  const Buffer factor(device, b);
  NAGARE_DISPATCH(device, affine({.n = n, .alpha = -2.0F, .beta = 0.5F}, shifted.data(), shifted.data(),
                                 compute_stream(device)));
  NAGARE_DISPATCH(device, multiply(n, product.data(), factor.data(), product.data(), compute_stream(device)));
  Matrix want_shifted(1, n);
  Matrix want_product(1, n);
  for (std::int64_t i = 0; i < n; ++i) {
    want_shifted(0, i) = 0.5 - 2.0 * a(0, i);
    want_product(0, i) = a(0, i) * b(0, i);
  }
  EXPECT_TRUE(all_near(shifted.to_host(), want_shifted, 2e-6));
  EXPECT_TRUE(all_near(product.to_host(), want_product, 2e-6));
}

TEST_P(ElementwiseTest, ScaleByANumberInDeviceMemory) {
  const Matrix a = test::normal(1, n, 4);
  for (const double factor : {1.0, -0.5}) {
    const Buffer x(device, a);
    const Buffer by(device, Matrix{{factor}});
    NAGARE_DISPATCH(device, scale_by(n, by.data(), x.data(), compute_stream(device)));
    Matrix want = a;
    for (double& v : want.values()) v *= factor;
    EXPECT_TRUE(all_near(x.to_host(), want, 0.0));
  }
}

TEST_P(ElementwiseTest, CastRoundsToNearestEvenAndBack) {
  const Matrix a = test::normal(1, n, 3);
  const Buffer in(device, a);
  const Tensor half = Tensor::empty({n}, {.dtype = DType::bf16, .device = device});
  NAGARE_DISPATCH(device, cast(n, in.data(), half.data<bf16>(), compute_stream(device)));
  const std::vector<float> got = half.to_vector<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    EXPECT_LE(std::abs(got[static_cast<std::size_t>(i)] - a(0, i)), std::abs(a(0, i)) / 256.0) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ElementwiseTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(0, 1, 2, 31, 257, 16385, 100003)));

TEST(Bf16Test, RoundsTiesToEvenAndKeepsSpecialValues) {
  const auto round_trip = [](float x) { return static_cast<float>(bf16(x)); };
  EXPECT_EQ(round_trip(1.00390625F), 1.0F);       // halfway between 1 and 1 + 2^-7: even
  EXPECT_EQ(round_trip(1.01171875F), 1.015625F);  // halfway between odd and even: up
  EXPECT_EQ(round_trip(-0.0F), 0.0F);
  EXPECT_TRUE(std::signbit(round_trip(-0.0F)));
  EXPECT_EQ(round_trip(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(round_trip(NAN)));
  EXPECT_EQ(round_trip(3.4e38F), INFINITY);  // above the largest bf16 after rounding
}

}  // namespace
}  // namespace nagare
