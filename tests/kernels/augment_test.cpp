#include "kernels/augment.h"

#include <gmock/gmock.h>

#include <vector>

#include "kernels/philox.h"
#include "tests/support/augment.h"
#include "tests/support/devices.h"
#include "tests/support/resize_definition.h"

namespace nagare {
namespace {

using kernels::Augment;
using kernels::AugmentParameters;
using kernels::ColourStep;

// An image in double, (height, width, 3): what the expectations are stated in.
struct Image {
  int height;
  int width;
  std::vector<double> values;

  Image(int h, int w) : height(h), width(w), values(static_cast<std::size_t>(3 * h * w)) {}
  double& at(int y, int x, int c) { return values[static_cast<std::size_t>((y * width + x) * 3 + c)]; }
  double at(int y, int x, int c) const { return values[static_cast<std::size_t>((y * width + x) * 3 + c)]; }
};

std::vector<std::uint8_t> random_bytes(std::int64_t n, std::uint32_t seed) {
  Philox random({.seed = seed, .purpose = Purpose::synthetic});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n));
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random.below(256));
  return bytes;
}

Image crop_and_resize(const Image& image, const AugmentParameters& crop, int height, int width) {
  const kernels::ResizeAxis rows{crop.height, height, crop.interpolation, crop.antialias};
  const kernels::ResizeAxis columns{crop.width, width, crop.interpolation, crop.antialias};
  Image out(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int v = 0; v < crop.height; ++v) {
        for (int u = 0; u < crop.width; ++u) {
          const int row = crop.top + v;
          const int column = crop.left + u;
          if (row < 0 || row >= image.height || column < 0 || column >= image.width) continue;
          const double weight = test::resize_weight(rows, y, v) * test::resize_weight(columns, x, u);
          for (int c = 0; c < 3; ++c) out.at(y, x, c) += weight * image.at(row, column, c);
        }
      }
    }
  }
  return out;
}

double grey(const Image& x, int row, int column) {
  return 0.2989 * x.at(row, column, 0) + 0.587 * x.at(row, column, 1) + 0.114 * x.at(row, column, 2);
}

// Python's colorsys, from the pixel's (r, g, b) and back.
void shift_hue_of(double* rgb, double shift) {
  const double max = std::max({rgb[0], rgb[1], rgb[2]});
  const double min = std::min({rgb[0], rgb[1], rgb[2]});
  if (max == min) return;
  const double s = (max - min) / max;
  const double rc = (max - rgb[0]) / (max - min);
  const double gc = (max - rgb[1]) / (max - min);
  const double bc = (max - rgb[2]) / (max - min);
  double h = rgb[0] == max ? bc - gc : rgb[1] == max ? 2 + rc - bc : 4 + gc - rc;
  h = h / 6 + shift + 2;
  h -= std::floor(h);
  const int sector = static_cast<int>(h * 6);
  const double f = h * 6 - sector;
  const double p = max * (1 - s);
  const double q = max * (1 - s * f);
  const double t = max * (1 - s * (1 - f));
  const double table[6][3] = {{max, t, p}, {q, max, p}, {p, max, t}, {p, q, max}, {t, p, max}, {max, p, q}};
  std::copy_n(table[sector % 6], 3, rgb);
}

void colour_step(Image& x, const AugmentParameters& crop, ColourStep step) {
  const int pixels = x.height * x.width;
  double mean = 0;
  for (int i = 0; i < pixels; ++i) mean += grey(x, i / x.width, i % x.width) / pixels;
  for (int i = 0; i < pixels; ++i) {
    double* rgb = &x.values[static_cast<std::size_t>(3 * i)];
    const double pixel_grey = grey(x, i / x.width, i % x.width);
    if (step == ColourStep::hue) shift_hue_of(rgb, crop.hue);
    for (int c = 0; c < 3; ++c) {
      double& v = rgb[c];
      if (step == ColourStep::brightness) v *= crop.brightness;
      if (step == ColourStep::contrast) v = crop.contrast * v + (1.0 - crop.contrast) * mean;
      if (step == ColourStep::saturation) v = crop.saturation * v + (1.0 - crop.saturation) * pixel_grey;
      if (step != ColourStep::none && step != ColourStep::hue) v = std::clamp(v, 0.0, 1.0);
    }
  }
}

Image blurred(const Image& x, const AugmentParameters& crop) {
  const int radius = crop.blur_kernel / 2;
  const auto mirrored = [](int i, int n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; };
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += std::exp(-k * k / (2.0 * crop.blur_sigma * crop.blur_sigma));
  Image out(x.height, x.width);
  for (int y = 0; y < x.height; ++y) {
    for (int u = 0; u < x.width; ++u) {
      for (int a = -radius; a <= radius; ++a) {
        for (int b = -radius; b <= radius; ++b) {
          const double weight =
              std::exp(-(a * a + b * b) / (2.0 * crop.blur_sigma * crop.blur_sigma)) / (sum * sum);
          for (int c = 0; c < 3; ++c) {
            out.at(y, u, c) += weight * x.at(mirrored(y + a, x.height), mirrored(u + b, x.width), c);
          }
        }
      }
    }
  }
  return out;
}

// The contract's list of steps in double.
Image definition(const Image& image, const AugmentParameters& crop, int height, int width) {
  Image x = crop_and_resize(image, crop, height, width);
  if (crop.clip) {
    for (double& v : x.values) v = std::clamp(v, 0.0, 1.0);
  }
  if (crop.flip) {
    for (int y = 0; y < height; ++y) {
      for (int u = 0; u < width / 2; ++u) {
        for (int c = 0; c < 3; ++c) std::swap(x.at(y, u, c), x.at(y, width - 1 - u, c));
      }
    }
  }
  for (const ColourStep step : crop.order) colour_step(x, crop, step);
  if (crop.grayscale) {
    for (int i = 0; i < height * width; ++i) {
      const double g = grey(x, i / width, i % width);
      for (int c = 0; c < 3; ++c) x.at(i / width, i % width, c) = g;
    }
  }
  if (crop.blur_kernel != 0) x = blurred(x, crop);
  for (double& v : x.values) v = v >= crop.solarise_threshold ? 1 - v : v;
  for (std::size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = (x.values[i] - crop.mean[i % 3]) / crop.std[i % 3];
  return x;
}

Image image_of(const std::vector<std::uint8_t>& bytes, std::int64_t index, int height, int width) {
  Image image(height, width);
  const std::size_t n = image.values.size();
  for (std::size_t i = 0; i < n; ++i)
    image.values[i] = bytes[static_cast<std::size_t>(index) * n + i] / 255.0;
  return image;
}

void expect_near(const std::vector<float>& got, std::size_t offset, const Image& want, double tolerance) {
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    const double error = std::abs(got[offset + i] - want.values[i]);
    ASSERT_TRUE(error <= tolerance) << "value " << i << ": got " << got[offset + i] << ", want "
                                    << want.values[i];
  }
}

// Crops that between them use every step, box shape and order; drawn here, not by the library under test.
std::vector<AugmentParameters> varied_crops(const Augment& p, int count) {
  std::vector<AugmentParameters> crops(static_cast<std::size_t>(count));
  Philox random({.seed = 7, .purpose = Purpose::synthetic});
  const auto up_to = [&](std::int64_t n) {
    return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(n)));
  };
  for (AugmentParameters& crop : crops) {
    crop.image = up_to(p.images);
    crop.height = 1 + up_to(p.height);
    crop.width = 1 + up_to(p.width);
    crop.top = up_to(p.height - crop.height + 1);
    crop.left = up_to(p.width - crop.width + 1);
    crop.interpolation = random.below(2) == 0 ? Interpolation::bilinear : Interpolation::bicubic;
    crop.antialias = random.below(2) == 0;
    crop.clip = random.below(2) == 0;
    crop.flip = random.below(2) == 0;
    for (ColourStep& step : crop.order) step = static_cast<ColourStep>(random.below(5));
    crop.brightness = random.uniform(0.2F, 1.8F);
    crop.contrast = random.uniform(0.2F, 1.8F);
    crop.saturation = random.uniform(0.2F, 1.8F);
    crop.hue = random.uniform(-0.5F, 0.5F);
    crop.grayscale = random.below(4) == 0;
    const std::int32_t taps = 1 + 2 * up_to(std::min<std::int64_t>({p.out_height, p.out_width, 6}));
    crop.blur_kernel = random.below(2) == 0 ? taps : 0;
    crop.blur_sigma = random.uniform(0.1F, 2.0F);
    for (int c = 0; c < 3; ++c) crop.mean[c] = random.uniform();
    for (int c = 0; c < 3; ++c) crop.std[c] = random.uniform(0.25F, 1.0F);
  }
  return crops;
}

using Case = std::tuple<Device, std::tuple<int, int>, std::tuple<int, int>>;
struct AugmentTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  int height = std::get<0>(std::get<1>(GetParam()));
  int width = std::get<1>(std::get<1>(GetParam()));
  int out_height = std::get<0>(std::get<2>(GetParam()));
  int out_width = std::get<1>(std::get<2>(GetParam()));
  Augment p{.images = 3,
            .height = height,
            .width = width,
            .crops = 0,
            .out_height = out_height,
            .out_width = out_width};
  std::vector<std::uint8_t> bytes = random_bytes(3 * height * width * 3, 1);
  Tensor images = Tensor::from(bytes, {3, height, width, 3}, device);
};

TEST_P(AugmentTest, MatchesTheDefinition) {
  const std::vector<AugmentParameters> crops = varied_crops(p, 24);
  const std::vector<float> got = test::augment(images, crops, {out_height, out_width}).to_vector<float>();
  for (std::size_t i = 0; i < crops.size(); ++i) {
    const Image want =
        definition(image_of(bytes, crops[i].image, height, width), crops[i], out_height, out_width);
    expect_near(got, i * want.values.size(), want,
                1e-4);  // 1e-5, divided by std >= 0.25, and hue's conditioning
    if (HasFatalFailure()) FAIL() << "crop " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         AugmentTest,  // one pixel, odd, CIFAR's, elongated; views of one pixel up to 33
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(std::tuple(1, 1), std::tuple(2, 3),
                                                          std::tuple(17, 40), std::tuple(32, 32)),
                                          testing::Values(std::tuple(1, 1), std::tuple(2, 7),
                                                          std::tuple(7, 3), std::tuple(32, 32),
                                                          std::tuple(33, 20))));

struct AugmentEdges : testing::TestWithParam<Device> {};

TEST_P(AugmentEdges, DefaultsCopyTheBox) {
  const std::vector<std::uint8_t> bytes = random_bytes(8 * 8 * 3, 1);
  const Tensor images = Tensor::from(bytes, {1, 8, 8, 3}, GetParam());
  AugmentParameters crop;
  crop.height = crop.width = 8;
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool antialias : {false, true}) {
      crop.interpolation = interpolation;
      crop.antialias = antialias;
      const std::vector<float> got = test::augment(images, {crop}, {8, 8}).to_vector<float>();
      for (std::size_t i = 0; i < bytes.size(); ++i) ASSERT_NEAR(got[i], bytes[i] / 255.0F, 1e-7F);
    }
  }
}

TEST_P(AugmentEdges, OutsideTheImageIsZero) {
  const Tensor images = Tensor::from(std::vector<float>(4 * 4 * 3, 1.0F), {1, 4, 4, 3}, GetParam());
  AugmentParameters crop;
  crop.height = crop.width = 4;
  const auto ones = [&](int top, int left) {
    crop.top = top;
    crop.left = left;
    double sum = 0;
    for (const float v : test::augment(images, {crop}, {4, 4}).to_vector<float>()) sum += v;
    return sum / 3;
  };
  EXPECT_EQ(ones(0, 0), 16);
  EXPECT_EQ(ones(-1, 2), 6);
  EXPECT_EQ(ones(3, -3), 1);
  EXPECT_EQ(ones(-4, 0), 0);
  EXPECT_EQ(ones(0, 100), 0);
  EXPECT_EQ(ones(-100, -100), 0);
}

TEST_P(AugmentEdges, SolariseInvertsFromTheThresholdOn) {
  const std::vector<float> pixel = {0.25F, 0.5F, 0.75F};
  AugmentParameters crop;
  crop.solarise_threshold = 0.5F;
  EXPECT_EQ(test::augment(Tensor::from(pixel, {1, 1, 1, 3}, GetParam()), {crop}, {1, 1}).to_vector<float>(),
            (std::vector<float>{0.25F, 0.5F, 0.25F}));
  crop.solarise_threshold = 0.0F;
  EXPECT_EQ(test::augment(Tensor::from(pixel, {1, 1, 1, 3}, GetParam()), {crop}, {1, 1}).to_vector<float>(),
            (std::vector<float>{0.75F, 0.5F, 0.25F}));
}

TEST_P(AugmentEdges, HueLeavesGreyAloneAndTurnsPrimaries) {
  const std::vector<float> pixels = {0.4F, 0.4F, 0.4F, 1, 0, 0, 0, 1, 0, 0, 0, 0};
  AugmentParameters crop;
  crop.height = crop.width = 2;
  crop.order[2] = ColourStep::hue;
  crop.hue = 1.0F / 3.0F;
  const std::vector<float> got =
      test::augment(Tensor::from(pixels, {1, 2, 2, 3}, GetParam()), {crop}, {2, 2}).to_vector<float>();
  const std::vector<float> want = {0.4F, 0.4F, 0.4F, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-6F);
}

TEST_P(AugmentEdges, Bf16IsTheRoundedF32AndTwiceTheSameBits) {
  const Tensor images = Tensor::from(random_bytes(3 * 9 * 8 * 3, 1), {3, 9, 8, 3}, GetParam());
  const Augment p{.images = 3, .height = 9, .width = 8, .crops = 0, .out_height = 11, .out_width = 11};
  const std::vector<AugmentParameters> crops = varied_crops(p, 30);
  const std::vector<float> once = test::augment(images, crops, {11, 11}).to_vector<float>();
  EXPECT_EQ(test::augment(images, crops, {11, 11}).to_vector<float>(), once);
  const std::vector<float> rounded = test::augment(images, crops, {11, 11}, DType::bf16).to_vector<float>();
  for (std::size_t i = 0; i < once.size(); ++i) ASSERT_EQ(static_cast<float>(bf16(once[i])), rounded[i]);
}

TEST_P(AugmentEdges, ViewsTooLargeForSharedMemoryAgreeWithSmallOnes) {
  // 70 x 70 views of a 4 x 4 image take the CUDA twin's other path; their definition is too slow for every size.
  const std::vector<std::uint8_t> bytes = random_bytes(4 * 4 * 3, 1);
  const Augment p{.images = 1, .height = 4, .width = 4, .crops = 0, .out_height = 70, .out_width = 70};
  const std::vector<AugmentParameters> crops = varied_crops(p, 6);
  const std::vector<float> got =
      test::augment(Tensor::from(bytes, {1, 4, 4, 3}, GetParam()), crops, {70, 70}).to_vector<float>();
  for (std::size_t i = 0; i < crops.size(); ++i) {
    expect_near(got, i * 70 * 70 * 3, definition(image_of(bytes, 0, 4, 4), crops[i], 70, 70), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, AugmentEdges, testing::ValuesIn(test::devices()));

TEST(AugmentErrors, NameWhatIsWrong) {
  const auto refused = [](const auto& action, const char* text) {
    EXPECT_THAT(action, testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(text)));
  };
  const Augment p{.images = 2, .height = 8, .width = 6, .crops = 1, .out_height = 4, .out_width = 4};
  EXPECT_NO_THROW(p.check());
  refused(
      [] {
        Augment{.images = 1, .height = 0, .width = 6, .crops = 1, .out_height = 4, .out_width = 4}.check();
      },
      "of 0 x 6");
  refused(
      [] {
        Augment{.images = 1, .height = 1, .width = 6, .crops = 1, .out_height = 5000, .out_width = 5000}
            .check();
      },
      "to 5000 x 5000");
  const auto crop = [&](const auto& change) {
    return [&p, change] {
      AugmentParameters c;
      change(c);
      p.check_crop(c);
    };
  };
  EXPECT_NO_THROW(crop([](AugmentParameters&) {})());
  refused(crop([](AugmentParameters& c) { c.image = 2; }), "image 2, need 0 to 1");
  refused(crop([](AugmentParameters& c) { c.width = 7; }), "box 1 x 7 at (0, 0)");
  refused(crop([](AugmentParameters& c) { c.hue = 0.6F; }), "hue 0.6");
  refused(crop([](AugmentParameters& c) { c.contrast = NAN; }), "nan");
  refused(crop([](AugmentParameters& c) { c.blur_kernel = 9; }), "9 taps");
  refused(crop([](AugmentParameters& c) {
            c.blur_kernel = 3;
            c.blur_sigma = 0;
          }),
          "sigma 0");
}

}  // namespace
}  // namespace nagare
