#include "kernels/fractal.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "engine/device/memory.h"
#include "engine/tensor/tensor.h"
#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "tests/support/devices.h"

namespace nagare {
namespace {

using kernels::Fractal;
using kernels::FractalImage;

constexpr double kOne = 1 << kernels::kFractalBits;

std::int32_t fixed(double value) { return static_cast<std::int32_t>(std::llround(value * kOne)); }

// Three maps that halve towards the corners of a triangle in the unit square, drawn onto the whole picture.
FractalImage triangle(std::int64_t size, std::uint32_t sample) {
  FractalImage image{};
  const double corners[3][2] = {{0.0, 0.0}, {0.5, 0.0}, {0.0, 0.5}};
  for (std::uint32_t m = 0; m < 3; ++m) {
    const auto upto = static_cast<std::uint32_t>(m == 2 ? 0xFFFFFFFFU : 0x55555555U * (m + 1));
    image.maps[m] = {fixed(0.5), 0, 0, fixed(0.5), fixed(corners[m][0]), fixed(corners[m][1]), upto, 100 * m};
  }
  const auto scale = static_cast<std::int64_t>(static_cast<double>(size) * kOne);
  const std::int64_t view[6] = {scale, 0, 0, 0, scale, 0};
  std::copy(view, view + 6, image.view);
  image.seed = 7;
  image.sample = sample;
  for (int c = 0; c < 3; ++c) {
    image.background[c] = static_cast<std::uint8_t>(10 * c);
    image.low[c] = static_cast<std::uint8_t>(200 - 50 * c);
    image.high[c] = static_cast<std::uint8_t>(90 + 80 * c);
  }
  return image;
}

std::vector<std::uint8_t> draw(Device device, const Fractal& p, const std::vector<FractalImage>& images) {
  const auto bytes = static_cast<std::int64_t>(images.size() * sizeof(FractalImage));
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(bytes));
  if (!images.empty()) std::memcpy(packed.data(), images.data(), packed.size());
  const Tensor described = Tensor::from(packed, {bytes}, device);
  const Tensor scratch =
      Tensor::empty({p.count * p.size * p.size * 2}, {.device = device});  // f32 is as wide as u32
  const Tensor pixels = Tensor::empty({p.count, p.size, p.size, 3}, {.dtype = DType::u8, .device = device});
  NAGARE_DISPATCH(device, fractal(p, static_cast<const FractalImage*>(described.raw()),
                                  static_cast<std::uint32_t*>(scratch.raw()), pixels.data<std::uint8_t>(),
                                  compute_stream(device)));
  return pixels.to_vector<std::uint8_t>();
}

// The chaos game as it is defined, in double, from the same draws.
std::vector<std::uint8_t> definition(const Fractal& p, const FractalImage& image) {
  std::vector<double> hits(static_cast<std::size_t>(p.size * p.size));
  std::vector<double> shades(hits.size());
  for (std::int64_t k = 0; k < p.walkers; ++k) {
    Philox random({.seed = image.seed,
                   .purpose = Purpose::fractal,
                   .sample = image.sample,
                   .view = static_cast<std::uint32_t>(k)});
    double x = 0.0;
    double y = 0.0;
    double shade = 128.0;
    for (std::int64_t i = -kernels::kFractalSettle; i < p.steps; ++i) {
      const std::uint32_t drawn = random.next();
      int m = 0;
      while (drawn > image.maps[m].upto) ++m;
      x = x / 2 + image.maps[m].e / kOne;
      y = y / 2 + image.maps[m].f / kOne;
      shade = std::floor((shade + image.maps[m].shade) / 2);
      const auto column = static_cast<std::int64_t>(x * static_cast<double>(p.size));
      const auto row = static_cast<std::int64_t>(y * static_cast<double>(p.size));
      if (i < 0 || column >= p.size || row >= p.size) continue;
      hits[static_cast<std::size_t>(row * p.size + column)] += 1.0;
      shades[static_cast<std::size_t>(row * p.size + column)] += shade;
    }
  }
  std::vector<std::uint8_t> pixels;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    for (int c = 0; c < 3; ++c) {
      const double mix = hits[i] > 0.0 ? std::floor(shades[i] / hits[i]) / 255.0 : 0.0;
      const double figure = image.low[c] + mix * (image.high[c] - image.low[c]);
      pixels.push_back(static_cast<std::uint8_t>(image.background[c] + (figure - image.background[c]) *
                                                                           hits[i] / (hits[i] + p.half)));
    }
  }
  return pixels;
}

struct FractalTest : testing::TestWithParam<std::tuple<Device, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  std::int64_t size = std::get<1>(GetParam());
};

TEST_P(FractalTest, MatchesTheDefinition) {
  const Fractal p{.count = 3, .size = size, .walkers = 37, .steps = 41, .half = 2};
  const std::vector<FractalImage> images = {triangle(size, 0), triangle(size, 1), triangle(size, 2)};
  const std::vector<std::uint8_t> got = draw(device, p, images);
  const std::size_t bytes = got.size() / 3;
  std::size_t different = 0;
  for (std::size_t n = 0; n < 3; ++n) {
    const std::vector<std::uint8_t> want = definition(p, images[n]);
    for (std::size_t i = 0; i < bytes; ++i) different += std::abs(got[n * bytes + i] - want[i]) > 2 ? 1 : 0;
  }
  // Fixed point and double may put a hit on either side of a pixel's border.
  EXPECT_LE(different, 3 + got.size() / 100);
}

INSTANTIATE_TEST_SUITE_P(Sizes, FractalTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(1, 2, 31, 64)));

struct FractalEdges : testing::TestWithParam<Device> {};

TEST_P(FractalEdges, BytesAreThoseOfOneCpuThread) {
  const Fractal p{.count = 5, .size = 33, .walkers = 300, .steps = 17, .half = 3};
  std::vector<FractalImage> images;
  for (std::uint32_t i = 0; i < 5; ++i) images.push_back(triangle(p.size, i));
  const int before = threads();
  set_threads(1);
  const std::vector<std::uint8_t> alone = draw(Device::cpu, p, images);
  set_threads(3);
  EXPECT_EQ(draw(GetParam(), p, images), alone);
  set_threads(before);
}

TEST_P(FractalEdges, EmptyIsValidAndNonsenseIsRefusedByName) {
  EXPECT_NO_THROW(draw(GetParam(), {.count = 0, .size = 8, .walkers = 1, .steps = 1, .half = 1}, {}));
  EXPECT_THAT(
      [] {
        draw(GetParam(), {.count = 1, .size = 0, .walkers = 1, .steps = 1, .half = 1}, {triangle(1, 0)});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("size 0")));
}

INSTANTIATE_TEST_SUITE_P(Devices, FractalEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
