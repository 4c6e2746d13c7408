#include "kernels/max_pool.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using kernels::MaxPool;
using test::Values;

struct MaxPoolTest : testing::TestWithParam<std::tuple<Device, DType, MaxPool>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  MaxPool p = std::get<2>(GetParam());
};

// The gradient as scattered from the indices, in double: the kernel gathers it.
TEST_P(MaxPoolTest, TheGradientReachesThePixelsOfTheIndices) {
  const Shape out{p.n, p.out_height(), p.out_width(), p.channels};
  Values pixels = test::normal_values(p.n * p.height * p.width * p.channels, 1);
  for (double& v : pixels) v = std::round(2.0 * v);  // many ties
  const Values upstream = test::normal_values(out.numel(), 2, dtype);
  const Tensor x = test::to_tensor(pixels, {p.n, p.height, p.width, p.channels}, dtype, device);
  const Tensor dy = test::to_tensor(upstream, out, dtype, device);
  const Tensor y = empty_like(dy);
  const Tensor dx = empty_like(x);
  const Tensor at = Tensor::empty(out, {.dtype = DType::u8, .device = device});
  const Tensor index = Tensor::empty(out, {.dtype = DType::i64, .device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(device, max_pool(p, x.data<T>(), y.data<T>(), at.data<std::uint8_t>(), x.stream()));
    NAGARE_DISPATCH(device,
                    max_pool_backward(p, at.data<std::uint8_t>(), dy.data<T>(), dx.data<T>(), x.stream()));
  });
  NAGARE_DISPATCH(device, max_pool_index(p, at.data<std::uint8_t>(), index.data<std::int64_t>(), x.stream()));

  Values want(pixels.size(), 0.0);
  const std::vector<std::int64_t> positions = index.to_vector<std::int64_t>();
  const Values got = test::to_values(y);
  const std::int64_t outputs = p.out_height() * p.out_width() * p.channels;
  for (std::size_t i = 0; i < upstream.size(); ++i) {
    const auto k = static_cast<std::int64_t>(i);
    const std::int64_t pixel = k / outputs * p.height * p.width + positions[i];
    const auto element = static_cast<std::size_t>(pixel * p.channels + k % p.channels);
    ASSERT_EQ(got[i], pixels[element]) << i;
    want[element] += upstream[i];
  }
  EXPECT_TRUE(test::near_values(test::to_values(dx), want, test::tolerance_of(dtype, 1e-6)));
}

// Ties, both zeros, infinities and NaN, in windows that are cut at the edges.
TEST_P(MaxPoolTest, TakesTheFirstMaximumAndTheLastNan) {
  const double kinds[] = {0.0, -0.0, 1.0, 1.0, 2.0, -3.0, -INFINITY, INFINITY, NAN, -1.0, -2.0, 0.5};
  Values pixels(static_cast<std::size_t>(p.n * p.height * p.width * p.channels));
  Philox random({.seed = 1, .purpose = Purpose::synthetic});
  // Half of the channels are plain, so that a whole vector without NaN occurs too.
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const bool plain = static_cast<std::int64_t>(i) % p.channels / 16 % 2 == 0;
    pixels[i] = kinds[random.below(plain ? 6 : 12)];
  }
  const Shape out{p.n, p.out_height(), p.out_width(), p.channels};
  const Tensor x = test::to_tensor(pixels, {p.n, p.height, p.width, p.channels}, dtype, device);
  const Tensor y = Tensor::empty(out, {.dtype = dtype, .device = device});
  const Tensor at = Tensor::empty(out, {.dtype = DType::u8, .device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(device, max_pool(p, x.data<T>(), y.data<T>(), at.data<std::uint8_t>(), x.stream()));
  });
  const Values got = test::to_values(y);
  const std::vector<std::uint8_t> taps = at.to_vector<std::uint8_t>();
  for (std::size_t o = 0; o < got.size(); ++o) {
    const auto k = static_cast<std::int64_t>(o);
    const std::int64_t c = k % p.channels;
    const std::int64_t j = k / p.channels % p.out_width();
    const std::int64_t i = k / p.channels / p.out_width() % p.out_height();
    const std::int64_t image = k / p.channels / p.out_width() / p.out_height();
    double best = NAN;
    int best_tap = -1;
    for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
      const std::int64_t h = i * p.stride - p.padding + tap / p.kernel;
      const std::int64_t w = j * p.stride - p.padding + tap % p.kernel;
      if (h < 0 || h >= p.height || w < 0 || w >= p.width) continue;
      const double value =
          pixels[static_cast<std::size_t>(((image * p.height + h) * p.width + w) * p.channels + c)];
      if (best_tap >= 0 && !(value > best || std::isnan(value))) continue;
      best = value;
      best_tap = tap;
    }
    ASSERT_EQ(taps[o], best_tap) << o;
    ASSERT_TRUE(got[o] == best || (std::isnan(got[o]) && std::isnan(best))) << got[o] << ", want " << best;
    ASSERT_EQ(std::signbit(got[o]), std::signbit(best)) << o;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MaxPoolTest,
    testing::Combine(
        testing::ValuesIn(test::devices()), testing::Values(DType::f32, DType::bf16),
        testing::Values(
            MaxPool{.n = 2, .height = 9, .width = 12, .channels = 67},
            MaxPool{.n = 1, .height = 16, .width = 16, .channels = 64},
            MaxPool{.n = 3, .height = 5, .width = 1, .channels = 1},
            MaxPool{.n = 1, .height = 7, .width = 8, .channels = 3, .kernel = 4, .stride = 3, .padding = 2},
            MaxPool{
                .n = 1, .height = 20, .width = 17, .channels = 2, .kernel = 15, .stride = 1, .padding = 7},
            MaxPool{.n = 0, .height = 4, .width = 4, .channels = 2})));

TEST(MaxPoolCheck, RefusesWindowsThatDoNotFit) {
  const auto message =
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("max_pool: image (1, 4, 4, 2)"));
  const auto check = [](int kernel, int stride, int padding) {
    return [=] { MaxPool{1, 4, 4, 2, kernel, stride, padding}.check(); };
  };
  EXPECT_THAT(check(16, 1, 0), message);
  EXPECT_THAT(check(0, 1, 0), message);
  EXPECT_THAT(check(2, 0, 0), message);
  EXPECT_THAT(check(2, 1, 2), message);
  EXPECT_THAT(check(3, 1, -1), message);
  EXPECT_THAT(check(5, 1, 0), message);
}

}  // namespace
}  // namespace nagare
