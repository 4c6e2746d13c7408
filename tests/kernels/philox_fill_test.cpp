#include "kernels/philox_fill.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/tensor/tensor.h"
#include "kernels/box_muller.h"
#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"

namespace nagare::kernels {
namespace {

const RandomKey kKey{
    .seed = 0x123456789abcdefU, .purpose = Purpose::synthetic, .step = 5, .sample = 6, .view = 7};

template <class T>
std::vector<T> uniform(Device device, const PhiloxFill& p, const UniformRange& range = {}) {
  const Tensor out = Tensor::empty({p.n}, {.dtype = kDTypeOf<T>, .device = device});
  NAGARE_DISPATCH(device, philox_uniform(p, range, out.data<T>(), out.stream()));
  return out.to_vector<T>();
}

template <class T>
std::vector<T> normal(Device device, const PhiloxFill& p, const NormalShape& shape = {}) {
  const Tensor out = Tensor::empty({p.n}, {.dtype = kDTypeOf<T>, .device = device});
  NAGARE_DISPATCH(device, philox_normal(p, shape, out.data<T>(), out.stream()));
  return out.to_vector<T>();
}

// The transform as it is defined, in double, from the draws that Philox gives one by one.
std::vector<double> defined_normal(const RandomKey& key, std::int64_t n) {
  Philox random(key);
  std::vector<double> z;
  while (static_cast<std::int64_t>(z.size()) < n) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(random.uniform())));
    const double angle = 2.0 * M_PI * static_cast<double>(random.uniform());
    z.push_back(radius * std::cos(angle));
    z.push_back(radius * std::sin(angle));
  }
  z.resize(static_cast<std::size_t>(n));
  return z;
}

struct PhiloxFillTest : testing::TestWithParam<std::tuple<Device, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  std::int64_t n = std::get<1>(GetParam());
};

TEST_P(PhiloxFillTest, UniformIsDrawIOfTheStream) {
  Philox random(kKey);
  std::vector<float> want;
  for (std::int64_t i = 0; i < n; ++i) want.push_back(random.uniform(-0.75F, 2.0F));
  EXPECT_EQ(uniform<float>(device, {.key = kKey, .n = n}, {-0.75F, 2.0F}), want);
}

TEST_P(PhiloxFillTest, NormalMatchesTheDefinition) {
  const std::vector<float> got =
      normal<float>(device, {.key = kKey, .n = n}, {.mean = 0.5F, .deviation = 2.0F});
  const std::vector<double> want = defined_normal(kKey, n);
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], 0.5 + 2.0 * want[i], 2.5e-6) << i;
}

TEST_P(PhiloxFillTest, EveryDeviceGivesTheBitsOfOneCpuThread) {
  const int before = threads();
  set_threads(1);
  const PhiloxFill p{.key = kKey, .n = n};
  const std::vector<float> u = uniform<float>(Device::cpu, p);
  const std::vector<float> z = normal<float>(Device::cpu, p, {.mean = 0.1F, .deviation = 0.3F});
  set_threads(3);
  EXPECT_EQ(uniform<float>(device, p), u);
  EXPECT_EQ(normal<float>(device, p, {.mean = 0.1F, .deviation = 0.3F}), z);
  set_threads(before);
}

TEST_P(PhiloxFillTest, Bf16IsTheRoundedF32) {
  const PhiloxFill p{.key = kKey, .n = n};
  const auto bits = [](const std::vector<bf16>& values) {
    std::vector<std::uint16_t> list;
    for (const bf16 v : values) list.push_back(v.bits);
    return list;
  };
  const auto rounded = [](const std::vector<float>& values) {
    std::vector<std::uint16_t> list;
    for (const float v : values) list.push_back(bf16(v).bits);
    return list;
  };
  EXPECT_EQ(bits(uniform<bf16>(device, p)), rounded(uniform<float>(device, p)));
  EXPECT_EQ(bits(normal<bf16>(device, p)), rounded(normal<float>(device, p)));
}

TEST_P(PhiloxFillTest, SlicesAreThoseOfTheWhole) {
  const std::vector<float> u = uniform<float>(device, {.key = kKey, .n = n});
  const std::vector<float> z = normal<float>(device, {.key = kKey, .n = n});
  for (const std::int64_t first : {1, 2, 3, 4, 64, 255, 256, 258}) {
    if (first > n) break;
    const auto from = static_cast<std::ptrdiff_t>(first);
    const PhiloxFill p{.key = kKey, .n = n - first, .first = first};
    EXPECT_EQ(uniform<float>(device, p), std::vector<float>(u.begin() + from, u.end())) << first;
    EXPECT_EQ(normal<float>(device, p), std::vector<float>(z.begin() + from, z.end())) << first;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         PhiloxFillTest,  // blocks of 4, groups of 256, parts of 16384 and their neighbours
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(0, 1, 2, 3, 4, 5, 65, 255, 256, 257, 20011)));

struct PhiloxFillDistribution : testing::TestWithParam<Device> {};

// sup |empirical - exact distribution function| sqrt(n): above 1.95 once in a thousand right samples; the seed is fixed.
template <class Distribution>
double kolmogorov(std::vector<float> values, const Distribution& exact) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = exact(static_cast<double>(values[i]));
    worst = std::max({worst, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return worst * std::sqrt(n);
}

double mean_of(const std::vector<float>& values, int power) {
  double sum = 0.0;
  for (const float v : values) sum += std::pow(static_cast<double>(v), power);
  return sum / static_cast<double>(values.size());
}

TEST_P(PhiloxFillDistribution, UniformHasItsMomentsAndDistribution) {
  const std::vector<float> u = uniform<float>(GetParam(), {.key = kKey, .n = 40000});
  EXPECT_NEAR(mean_of(u, 1), 0.5, 0.006);  // 4 standard errors
  EXPECT_NEAR(mean_of(u, 2), 1.0 / 3.0, 0.006);
  EXPECT_LT(kolmogorov(u, [](double x) { return x; }), 1.95);
  EXPECT_GE(*std::min_element(u.begin(), u.end()), 0.0F);
  EXPECT_LT(*std::max_element(u.begin(), u.end()), 1.0F);
}

TEST_P(PhiloxFillDistribution, NormalHasItsMomentsAndDistribution) {
  const std::vector<float> z = normal<float>(GetParam(), {.key = kKey, .n = 40000});
  EXPECT_NEAR(mean_of(z, 1), 0.0, 0.02);
  EXPECT_NEAR(mean_of(z, 2), 1.0, 0.03);
  EXPECT_NEAR(mean_of(z, 3), 0.0, 0.08);
  EXPECT_NEAR(mean_of(z, 4), 3.0, 0.2);
  EXPECT_LT(kolmogorov(z, [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2.0; }), 1.95);
  double product = 0.0;  // the two values of a pair share a radius, and must not show it
  for (std::size_t i = 0; i < z.size(); i += 2) product += static_cast<double>(z[i] * z[i + 1]);
  EXPECT_NEAR(product / 20000.0, 0.0, 0.03);
}

TEST_P(PhiloxFillDistribution, NonsenseIsRefusedByName) {
  const Device device = GetParam();
  float out = 7.0F;
  const auto refused = [&](const PhiloxFill& p, const UniformRange& range, const char* what) {
    EXPECT_THAT([&] { NAGARE_DISPATCH(device, philox_uniform(p, range, &out, nullptr)); },
                testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(what)));
  };
  refused({.key = kKey, .n = -1}, {}, "+ -1");
  refused({.key = kKey, .n = 1, .first = -2}, {}, "elements -2");
  refused({.key = kKey, .n = 2, .first = (1 << 26) - 1}, {}, "2^26");
  refused({.key = kKey, .n = 1}, {1.0F, 0.0F}, "range 1.0");
  refused({.key = kKey, .n = 1}, {NAN, 0.0F}, "nan");
  refused({.key = kKey, .n = 1}, {-3e38F, 3e38F}, "finite");
  EXPECT_THAT(
      [&] {
        NAGARE_DISPATCH(device, philox_normal({.key = kKey, .n = 1}, {0.0F, -1.0F}, &out, nullptr));
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("deviation -1.0")));
  EXPECT_EQ(out, 7.0F);
}

INSTANTIATE_TEST_SUITE_P(Devices, PhiloxFillDistribution, testing::ValuesIn(test::devices()));

// Every radius' word and every angle's word that are special, and a million others: the error stated in the header.
TEST(BoxMullerTest, StaysWithinItsAccuracy) {
  double worst = 0.0;
  const auto probe = [&](std::uint32_t w0, std::uint32_t w1) {
    const NormalPair got = box_muller(w0, w1);
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(w0 >> 8) * 0x1p-24));
    const double angle = 2.0 * M_PI * static_cast<double>(w1 >> 8) * 0x1p-24;
    worst = std::max(
        {worst, std::abs(got.z0 - radius * std::cos(angle)), std::abs(got.z1 - radius * std::sin(angle))});
  };
  const std::uint32_t ends[] = {0,           255,         256,         0x3fffffffU, 0x40000000U,
                                0x7fffffffU, 0x80000000U, 0xbfffffffU, 0xc0000000U, 0xfffffeffU,
                                0xffffffffU, 0x1fffffffU, 0x20000000U, 0xe0000000U};
  for (const std::uint32_t a : ends) {
    for (const std::uint32_t b : ends) probe(a, b);
  }
  Philox random({.seed = 3});
  for (int i = 0; i < 1'000'000; ++i) probe(random.next(), random.next());
  for (int i = 0; i < 1000; ++i) probe(0xffffffffU - static_cast<std::uint32_t>(i) * 256, random.next());
  EXPECT_LE(worst, 1e-6);
  EXPECT_EQ(box_muller(0, 0).z0, 0.0F);
}

}  // namespace
}  // namespace nagare::kernels
