#include "kernels/perlin.h"

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

using kernels::Perlin;
using kernels::PerlinImage;
using kernels::PerlinSum;

constexpr double kOne = 1 << kernels::kPerlinBits;
constexpr double kCell = 1 << kernels::kPerlinViewBits;

// Rotated and not quite isotropic, three octaves, grey.
PerlinImage wavy(std::int64_t size, std::uint32_t sample) {
  PerlinImage image{};
  const double per_pixel = 5.0 / static_cast<double>(size);
  const double view[6] = {0.8 * per_pixel, -0.5 * per_pixel, 3.25, 0.6 * per_pixel, 0.7 * per_pixel, 40.5};
  for (int i = 0; i < 6; ++i) image.view[i] = static_cast<std::uint32_t>(std::llround(view[i] * kCell));
  image.octaves = 3;
  for (int o = 0; o < 3; ++o) image.amplitude[o] = static_cast<std::int32_t>(kOne / (1 << o));
  image.period = 32;
  image.gain = 1500;
  image.offset = 128;
  image.seed = 7;
  image.step = 2;
  image.sample = sample;
  for (int c = 0; c < 3; ++c) {
    image.low[c] = static_cast<std::uint8_t>(10 * c);
    image.high[c] = static_cast<std::uint8_t>(255 - 60 * c);
  }
  return image;
}

std::vector<std::uint8_t> draw(Device device, const Perlin& p, const std::vector<PerlinImage>& images) {
  const auto bytes = static_cast<std::int64_t>(images.size() * sizeof(PerlinImage));
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(bytes));
  if (!images.empty()) std::memcpy(packed.data(), images.data(), packed.size());
  const Tensor described = Tensor::from(packed, {bytes}, device);
  const Tensor pixels = Tensor::empty({p.count, p.size, p.size, 3}, {.dtype = DType::u8, .device = device});
  NAGARE_DISPATCH(device, perlin(p, static_cast<const PerlinImage*>(described.raw()),
                                 pixels.data<std::uint8_t>(), compute_stream(device)));
  return pixels.to_vector<std::uint8_t>();
}

// Noise as it is defined, in double, at a point in cells of one octave.
double defined_noise(const PerlinImage& image, int octave, double u, double v) {
  const int period = std::min(image.period << octave, 32);
  const auto wrapped = [=](double cell) {
    const auto whole = static_cast<std::int64_t>(std::floor(cell));
    return static_cast<int>(((whole % period) + period) % period);
  };
  const auto fade = [](double t) { return t * t * t * (t * (6 * t - 15) + 10); };
  double corner[2][2];
  for (int j = 0; j < 2; ++j) {
    for (int i = 0; i < 2; ++i) {
      const int x = wrapped(std::floor(u) + i), y = wrapped(std::floor(v) + j);
      const auto index = static_cast<std::uint32_t>(y * 32 + x);
      const PhiloxBlock block = random_block({.seed = image.seed,
                                              .purpose = Purpose::perlin,
                                              .step = image.step,
                                              .sample = image.sample,
                                              .view = static_cast<std::uint32_t>(octave)},
                                             index / 16);
      const std::uint32_t code = block.word[index / 4 % 4] >> (8 * (index % 4));
      const double once = (code & 1U) != 0 ? -1 : 1, twice = (code & 2U) != 0 ? -2 : 2;
      const double gx = (code & 4U) != 0 ? once : twice, gy = (code & 4U) != 0 ? twice : once;
      corner[j][i] = gx * (u - std::floor(u) - i) + gy * (v - std::floor(v) - j);
    }
  }
  const double s = fade(u - std::floor(u)), t = fade(v - std::floor(v));
  const double top = corner[0][0] + s * (corner[0][1] - corner[0][0]);
  return top + t * (corner[1][0] + s * (corner[1][1] - corner[1][0]) - top);
}

std::vector<std::uint8_t> definition(const Perlin& p, const PerlinImage& image) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t y = 0; y < p.size; ++y) {
    for (std::int64_t x = 0; x < p.size; ++x) {
      double value = 0.0;
      for (int o = 0; o < image.octaves; ++o) {
        const auto along = [&](int row) {
          const double at = image.view[row] * static_cast<double>(x) +
                            image.view[row + 1] * static_cast<double>(y) + image.view[row + 2];
          return std::fmod(at / kCell, 65536.0) * (1 << o);
        };
        const double noise = defined_noise(image, o, along(0), along(3));
        const double term = image.sum == PerlinSum::sum          ? noise
                            : image.sum == PerlinSum::turbulence ? std::abs(noise)
                                                                 : 1 - std::abs(noise);
        value += image.amplitude[o] / kOne * term;
      }
      double shade = value * image.gain / 16.0 + image.offset;
      if (image.fold) {
        const double turn = shade - 512.0 * std::floor(shade / 512.0);
        shade = turn < 256 ? turn : 512 - turn;
      }
      shade = std::clamp(shade, 0.0, 255.0);
      for (int c = 0; c < 3; ++c) {
        pixels.push_back(
            static_cast<std::uint8_t>(image.low[c] + (image.high[c] - image.low[c]) * shade / 255));
      }
    }
  }
  return pixels;
}

struct PerlinTest : testing::TestWithParam<std::tuple<Device, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  std::int64_t size = std::get<1>(GetParam());
};

TEST_P(PerlinTest, MatchesTheDefinition) {
  std::vector<PerlinImage> images = {wavy(size, 0), wavy(size, 1), wavy(size, 2), wavy(size, 3)};
  images[1].sum = PerlinSum::turbulence;
  images[2].sum = PerlinSum::ridged;
  images[3].fold = true;
  images[3].gain = 4000;
  images[3].period = 2;
  const std::vector<std::uint8_t> got = draw(device, {.count = 4, .size = size}, images);
  const std::size_t bytes = got.size() / 4;
  for (std::size_t n = 0; n < 4; ++n) {
    const std::vector<std::uint8_t> want = definition({.count = 1, .size = size}, images[n]);
    int worst = 0;
    for (std::size_t i = 0; i < bytes; ++i) worst = std::max(worst, std::abs(got[n * bytes + i] - want[i]));
    EXPECT_LE(worst, 3) << "image " << n;  // 12 bits of fraction, three octaves, a gain of 255 shades
  }
}

TEST_P(PerlinTest, BytesAreThoseOfOneCpuThread) {
  const Perlin p{.count = 3, .size = size};
  const std::vector<PerlinImage> images = {wavy(size, 4), wavy(size, 5), wavy(size, 6)};
  const int before = threads();
  set_threads(1);
  const std::vector<std::uint8_t> alone = draw(Device::cpu, p, images);
  set_threads(3);
  EXPECT_EQ(draw(device, p, images), alone);
  set_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PerlinTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(1, 2, 31, 64)));

struct PerlinEdges : testing::TestWithParam<Device> {};

// Octaves at whole multiples of the period: the row that would follow the last one is the first one.
TEST_P(PerlinEdges, APictureOfOnePeriodTiles) {
  constexpr std::int64_t kSize = 64;
  PerlinImage image = wavy(kSize, 9);
  image.period = 4;
  const auto step = static_cast<std::uint32_t>(4 * 65536 / kSize);
  const std::uint32_t view[6] = {step, 0, 0, 0, step, 0};
  std::copy(view, view + 6, image.view);
  PerlinImage moved = image;  // by a whole picture, to the right and down
  moved.view[2] = 4 * 65536;
  moved.view[5] = 4 * 65536;
  const std::vector<std::uint8_t> both = draw(GetParam(), {.count = 2, .size = kSize}, {image, moved});
  const auto half = static_cast<std::ptrdiff_t>(both.size() / 2);
  EXPECT_TRUE(std::equal(both.begin(), both.begin() + half, both.begin() + half));
  image.period = 32;
  moved.period = 32;
  const std::vector<std::uint8_t> apart = draw(GetParam(), {.count = 2, .size = kSize}, {image, moved});
  EXPECT_FALSE(std::equal(apart.begin(), apart.begin() + half, apart.begin() + half));
}

TEST_P(PerlinEdges, AnotherSampleIsAnotherPicture) {
  const Perlin p{.count = 2, .size = 16};
  const std::vector<std::uint8_t> both = draw(GetParam(), p, {wavy(16, 0), wavy(16, 1)});
  EXPECT_FALSE(std::equal(both.begin(), both.begin() + 768, both.begin() + 768));
}

TEST_P(PerlinEdges, EmptyIsValidAndNonsenseIsRefusedByName) {
  EXPECT_NO_THROW(draw(GetParam(), {.count = 0, .size = 8}, {}));
  EXPECT_THAT([] { draw(GetParam(), {.count = 1, .size = 5000}, {wavy(1, 0)}); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("size 5000")));
}

INSTANTIATE_TEST_SUITE_P(Devices, PerlinEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
