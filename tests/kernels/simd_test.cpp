#include "kernels/simd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace nagare {
namespace {

NAGARE_SIMD void exp_all(const float* x, float* y, std::int64_t vectors) {
  for (std::int64_t i = 0; i < vectors; ++i) {
    simd::Vector v;
    simd::load(x + i * simd::kLanes, v);
    simd::exp(v, v);
    simd::store(y + i * simd::kLanes, v);
  }
}

std::vector<float> exp_of(std::vector<float> x) {
  const auto n = x.size();
  x.resize((n + 15) / 16 * 16);
  std::vector<float> y(x.size());
  exp_all(x.data(), y.data(), static_cast<std::int64_t>(x.size() / 16));
  y.resize(n);
  return y;
}

TEST(SimdTest, ExpIsAccurateOverItsWholeRange) {
  std::vector<float> x;
  for (float v = -87.0F; v < 88.7F; v += 0.00137F) x.push_back(v);
  const std::vector<float> y = exp_of(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    ASSERT_TRUE(std::abs(y[i] - want) <= 2e-7 * want) << "exp(" << x[i] << ") = " << y[i];
  }
}

TEST(SimdTest, ExpOfSpecialValues) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> y = exp_of({0.0F, -inf, inf, NAN, 100.0F, -200.0F, -95.0F, -0.0F, 88.72F});
  EXPECT_EQ(y[0], 1.0F);
  EXPECT_EQ(y[1], 0.0F);
  EXPECT_EQ(y[2], inf);
  EXPECT_TRUE(std::isnan(y[3]));
  EXPECT_EQ(y[4], inf);
  EXPECT_EQ(y[5], 0.0F);
  EXPECT_NEAR(y[6], std::exp(-95.0), 3e-45);
  EXPECT_EQ(y[7], 1.0F);
  EXPECT_TRUE(std::isfinite(y[8]));
}

TEST(SimdTest, SumAndMaxTakeEveryLaneOnce) {
  simd::Vector v;
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>(1 << i);
  EXPECT_EQ(simd::sum(v), 65535.0F);
  for (int i = 0; i < 16; ++i) {
    simd::Vector w{};
    w[i] = 3.0F;
    EXPECT_EQ(simd::max(w), 3.0F);
  }
}

TEST(SimdTest, PartialLoadsAndStoresTouchOnlyTheirElements) {
  const std::vector<float> x{1.0F, 2.0F, 3.0F};
  simd::Vector v;
  simd::load_first(x.data(), 3, -7.0F, v);
  EXPECT_EQ(v[2], 3.0F);
  EXPECT_EQ(v[3], -7.0F);
  std::vector<float> y(3, 9.0F);
  simd::store_first(y.data(), 2, v);
  EXPECT_EQ(y, (std::vector<float>{1.0F, 2.0F, 9.0F}));
}

}  // namespace
}  // namespace nagare
