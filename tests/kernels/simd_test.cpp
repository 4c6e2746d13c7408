#include "kernels/simd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/simd_functions.h"

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

NAGARE_SIMD void log_all(const float* x, float* y, std::int64_t vectors) {
  for (std::int64_t i = 0; i < vectors; ++i) {
    simd::Vector v, r;
    simd::load(x + 16 * i, v);
    simd::log(v, r);
    simd::store(y + 16 * i, r);
  }
}

TEST(SimdTest, LogIsAccurateOverItsWholeRange) {
  std::vector<float> x;
  for (double v = 1e-44; v < 3e38; v *= 1.00731) x.push_back(static_cast<float>(v));
  for (float v = 0.5F; v < 2.0F; v += 0.0001F) x.push_back(v);  // near 1 the result is near 0
  x.resize(x.size() / 16 * 16);
  std::vector<float> y(x.size());
  log_all(x.data(), y.data(), static_cast<std::int64_t>(x.size() / 16));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = std::log(static_cast<double>(x[i]));
    ASSERT_TRUE(std::abs(y[i] - want) <= 3e-7 * std::abs(want)) << "log(" << x[i] << ") = " << y[i];
  }
}

TEST(SimdTest, LogOfSpecialValues) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0.0F, -0.0F, -1.0F,   -inf, inf,  NAN,  1.0F, std::numeric_limits<float>::max(),
                             1.0F, 1.0F,  -1e-45F, 2.0F, 2.0F, 2.0F, 2.0F, 2.0F};
  std::vector<float> y(16);
  log_all(x.data(), y.data(), 1);
  EXPECT_EQ(y[0], -inf);
  EXPECT_EQ(y[1], -inf);
  for (const int i : {2, 3, 5, 10}) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(i)])) << i;
  EXPECT_EQ(y[4], inf);
  EXPECT_EQ(y[6], 0.0F);
  EXPECT_NEAR(y[7], 88.722839, 1e-5);
}

NAGARE_SIMD void normal_all(const float* x, float* density, float* cumulative, std::int64_t vectors) {
  for (std::int64_t i = 0; i < vectors; ++i) {
    simd::Vector v, d, c;
    simd::load(x + 16 * i, v);
    simd::normal(v, d, c);
    simd::store(density + 16 * i, d);
    simd::store(cumulative + 16 * i, c);
  }
}

TEST(SimdTest, NormalDistributionIsAccurateInBothTails) {
  std::vector<float> x;
  for (float v = -12.9F; v < 25.0F; v += 0.00037F) x.push_back(v);
  x.resize(x.size() / 16 * 16);
  std::vector<float> density(x.size()), cumulative(x.size());
  normal_all(x.data(), density.data(), cumulative.data(), static_cast<std::int64_t>(x.size() / 16));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double want = 0.5 * std::erfc(-v / std::sqrt(2.0));
    ASSERT_TRUE(std::abs(cumulative[i] - want) <= 1e-6 * want) << "Phi(" << v << ") = " << cumulative[i];
    const double slope = std::exp(-0.5 * v * v) / std::sqrt(2.0 * M_PI);
    ASSERT_TRUE(std::abs(density[i] - slope) <= 1e-6 * slope + 1e-38) << "phi(" << v << ") = " << density[i];
  }
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
