#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/device/errors.h"
#include "kernels/parallel.h"
#include "ssl/augment/augmenter.h"
#include "ssl/augment/draw.h"
#include "ssl/augment/recipes.h"
#include "tests/support/devices.h"

namespace nagare::ssl {
namespace {

using kernels::AugmentParameters;
using kernels::ColourStep;
using testing::HasSubstr;
using testing::ThrowsMessage;

Batch random_batch(std::int64_t count, std::int64_t height, std::int64_t width, Device device = Device::cpu) {
  Philox random({.seed = 3, .purpose = Purpose::synthetic});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count * height * width * 3));
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random.below(256));
  Batch batch{.images = Tensor::from(bytes, {count, height, width, 3}, device), .ids = {}};
  for (std::int64_t i = 0; i < count; ++i) batch.ids.push_back(100 + i);
  return batch;
}

std::vector<AugmentParameters> draws(const ViewRecipe& recipe, ImageSize image, std::uint32_t count) {
  std::vector<AugmentParameters> crops;
  for (std::uint32_t i = 0; i < count; ++i) {
    crops.push_back(draw_parameters(recipe, image, {.seed = 1, .purpose = Purpose::augment, .sample = i}));
  }
  return crops;
}

template <class Of>
double mean_of(const std::vector<AugmentParameters>& crops, const Of& of) {
  double sum = 0;
  for (const AugmentParameters& crop : crops) sum += of(crop);
  return sum / static_cast<double>(crops.size());
}

constexpr std::uint32_t kDraws = 20000;

TEST(DrawTest, CropsHaveTheRecipesAreaAndRatioAndStayInside) {
  const ViewRecipe recipe{.crop_scale_min = 0.2F, .crop_scale_max = 0.8F};
  const std::vector<AugmentParameters> crops = draws(recipe, {200, 240}, kDraws);
  double low_area = 1, high_area = 0, low_ratio = 10, high_ratio = 0;
  for (const AugmentParameters& c : crops) {
    ASSERT_TRUE(c.top >= 0 && c.left >= 0 && c.top + c.height <= 200 && c.left + c.width <= 240);
    const double area = c.height * c.width / 48000.0;
    const double ratio = static_cast<double>(c.width) / c.height;
    low_area = std::min(low_area, area);
    high_area = std::max(high_area, area);
    low_ratio = std::min(low_ratio, ratio);
    high_ratio = std::max(high_ratio, ratio);
  }
  EXPECT_NEAR(low_area, 0.2, 0.01);
  EXPECT_NEAR(high_area, 0.8, 0.01);
  EXPECT_NEAR(low_ratio, 0.75, 0.01);
  EXPECT_NEAR(high_ratio, 4.0 / 3.0, 0.01);
  // Uniform in area and in log ratio; the rejected tries (boxes too large) bend both a little.
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.height * c.width / 48000.0; }), 0.5, 0.015);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return std::log(1.0 * c.width / c.height); }), 0.0, 0.015);
  // Positions are uniform over the room that a box leaves.
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return 1.0 * c.top / std::max(1, 200 - c.height); }), 0.5,
              0.015);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return 1.0 * c.left / std::max(1, 240 - c.width); }), 0.5,
              0.015);
}

TEST(DrawTest, EmpSslPatchesAreQuartersAtEveryOffset) {
  std::vector<int> tops(17);
  for (const AugmentParameters& c : draws(emp_ssl_recipe(32), {32, 32}, kDraws)) {
    ASSERT_TRUE(c.height == 16 && c.width == 16);
    ++tops.at(static_cast<std::size_t>(c.top));
  }
  for (const int count : tops) EXPECT_NEAR(count, kDraws / 17.0, 5 * std::sqrt(kDraws / 17.0));
}

TEST(DrawTest, FallsBackToTheCentredBoxOfAnAllowedRatio) {
  const auto box = [](ImageSize image) {
    const CropBox b = fallback_crop({}, image);
    return std::array{b.top, b.left, b.height, b.width};
  };
  EXPECT_EQ(box({300, 100}), (std::array{83, 0, 133, 100}));
  EXPECT_EQ(box({200, 500}), (std::array{0, 116, 200, 267}));
  EXPECT_EQ(box({90, 100}), (std::array{0, 0, 90, 100}));
  EXPECT_EQ(box({1, 1}), (std::array{0, 0, 1, 1}));
  // A strip that no try can fit: every draw is the fallback.
  for (const AugmentParameters& c : draws({.crop_scale_min = 1.0F}, {300, 100}, 50)) {
    ASSERT_EQ((std::array{c.top, c.left, c.height, c.width}), (std::array{83, 0, 133, 100}));
  }
}

TEST(DrawTest, StepsHappenWithTheirProbabilities) {
  const ViewRecipe recipe{.flip_probability = 0.3F,
                          .jitter_probability = 0.8F,
                          .grayscale_probability = 0.2F,
                          .blur_probability = 0.5F,
                          .solarise_probability = 0.1F};
  const std::vector<AugmentParameters> crops = draws(recipe, {32, 32}, kDraws);
  const double margin = 4 * std::sqrt(0.25 / kDraws);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.flip; }), 0.3, margin);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.order[0] != ColourStep::none; }), 0.8, margin);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.grayscale; }), 0.2, margin);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.blur_kernel == 3; }), 0.5, margin);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.solarise_threshold == 0.5F; }), 0.1, margin);
  for (const double p : {0.0, 1.0}) {
    const auto f = static_cast<float>(p);
    const ViewRecipe sure{.flip_probability = f, .jitter_probability = f, .grayscale_probability = f};
    EXPECT_EQ(mean_of(draws(sure, {32, 32}, 1000), [](const auto& c) { return c.flip && c.grayscale; }), p);
  }
}

TEST(DrawTest, FactorsFillTheirRangesAndAllOrdersOccurEquallyOften) {
  const ViewRecipe recipe{.jitter_probability = 1.0F, .brightness = 0.4F, .contrast = 1.5F, .hue = 0.1F};
  const std::vector<AugmentParameters> crops = draws(recipe, {32, 32}, kDraws);
  std::map<std::array<ColourStep, 4>, int> orders;
  for (const AugmentParameters& c : crops) {
    ASSERT_TRUE(c.brightness >= 0.6F && c.brightness <= 1.4F && c.contrast >= 0.0F && c.contrast <= 2.5F);
    ASSERT_TRUE(std::abs(c.hue) <= 0.1F);
    ++orders[{c.order[0], c.order[1], c.order[2], c.order[3]}];
  }
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.brightness; }), 1.0, 0.01);
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return c.contrast; }), 1.25, 0.03);  // [0, 2.5]: cut at 0
  EXPECT_NEAR(mean_of(crops, [](const auto& c) { return std::abs(c.hue); }), 0.05, 0.002);
  ASSERT_EQ(orders.size(), 24U);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, kDraws / 24.0, 5 * std::sqrt(kDraws / 24.0));
}

TEST(DrawTest, OneProbabilityDoesNotChangeWhatTheOtherStepsDraw) {
  ViewRecipe recipe;
  const std::vector<AugmentParameters> before = draws(recipe, {32, 32}, 100);
  recipe.blur_probability = 1.0F;
  recipe.jitter_probability = 0.0F;
  const std::vector<AugmentParameters> after = draws(recipe, {32, 32}, 100);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].top, after[i].top);
    EXPECT_EQ(before[i].width, after[i].width);
    EXPECT_EQ(before[i].flip, after[i].flip);
    EXPECT_EQ(before[i].grayscale, after[i].grayscale);
  }
}

struct AugmenterTest : testing::TestWithParam<Device> {};

TEST_P(AugmenterTest, ViewsDependOnSeedStepIdAndViewAlone) {
  const Batch batch = random_batch(5, 12, 10, GetParam());
  const ViewPlan plan{.views = {simsiam_recipe(16), emp_ssl_recipe(16), simclr_recipe(16)}};
  const Views views = Augmenter(7).apply(batch, plan, 3, DType::f32);
  EXPECT_EQ(views.images.shape(), Shape({15, 16, 16, 3}));
  EXPECT_EQ(views.views, 3);
  EXPECT_EQ(views.batch, 5);
  const std::vector<float> all = views.images.to_vector<float>();
  // Image 4 alone: the same three views.
  Batch last{.images = batch.images.rows(4, 1), .ids = {104}};
  const std::vector<float> alone = Augmenter(7).apply(last, plan, 3, DType::f32).images.to_vector<float>();
  const std::size_t n = 16 * 16 * 3;
  for (std::size_t v = 0; v < 3; ++v) {
    EXPECT_TRUE(
        std::equal(alone.begin() + v * n, alone.begin() + (v + 1) * n, all.begin() + (v * 5 + 4) * n));
  }
  EXPECT_NE(Augmenter(8).apply(last, plan, 3, DType::f32).images.to_vector<float>(), alone);
  EXPECT_NE(Augmenter(7).apply(last, plan, 4, DType::f32).images.to_vector<float>(), alone);
  last.ids = {105};
  EXPECT_NE(Augmenter(7).apply(last, plan, 3, DType::f32).images.to_vector<float>(), alone);
}

TEST_P(AugmenterTest, ThreadsDoNotChangeABit) {
  const Batch batch = random_batch(37, 32, 32, GetParam());
  const ViewPlan plan{.views = {emp_ssl_recipe(32), simclr_recipe(32)}};
  const int before = threads();
  set_threads(1);
  const std::vector<float> one = Augmenter(7).apply(batch, plan, 0, DType::f32).images.to_vector<float>();
  set_threads(3);
  const std::vector<float> three = Augmenter(7).apply(batch, plan, 0, DType::f32).images.to_vector<float>();
  set_threads(before);
  EXPECT_EQ(one, three);
}

TEST_P(AugmenterTest, Bf16IsTheRoundedF32) {
  const Batch batch = random_batch(3, 20, 20, GetParam());
  const ViewPlan plan{.views = {simsiam_recipe(20)}};
  const std::vector<float> f32 = Augmenter(7).apply(batch, plan, 0, DType::f32).images.to_vector<float>();
  const std::vector<float> rounded =
      Augmenter(7).apply(batch, plan, 0, DType::bf16).images.to_vector<float>();
  for (std::size_t i = 0; i < f32.size(); ++i) ASSERT_EQ(static_cast<float>(bf16(f32[i])), rounded[i]);
}

TEST_P(AugmenterTest, PaddedCropsHoldTheImageAndZeros) {
  const Batch batch{
      .images = Tensor::from(std::vector<std::uint8_t>(16 * 16 * 3, 255), {1, 16, 16, 3}, GetParam()),
      .ids = {1}};
  ViewRecipe recipe = supervised_recipe(16);
  recipe.mean = {0, 0, 0};
  recipe.std = {1, 1, 1};
  EXPECT_EQ(recipe.crop_padding, 2);
  bool moved = false;
  for (int step = 0; step < 20; ++step) {
    const std::vector<float> x =
        Augmenter(7).apply(batch, {.views = {recipe}}, step, DType::f32).images.to_vector<float>();
    const auto ones = std::count_if(x.begin(), x.end(), [](float v) { return std::abs(v - 1) < 1e-6F; });
    EXPECT_EQ(ones + std::count(x.begin(), x.end(), 0.0F), 16 * 16 * 3);
    EXPECT_GE(ones, 14 * 14 * 3);
    moved = moved || ones < 16 * 16 * 3;
  }
  EXPECT_TRUE(moved);
}

TEST_P(AugmenterTest, EvaluationImagesAreNormalisedPixelsOrTheCentredSquare) {
  const Batch batch = random_batch(2, 4, 4, GetParam());
  const std::vector<float> mean = {0.5F, 0.4F, 0.3F};
  const std::vector<float> std = {0.5F, 0.25F, 0.2F};
  const std::vector<std::uint8_t> bytes = batch.images.to_vector<std::uint8_t>();
  const std::vector<float> same =
      evaluation_images(batch.images, mean, std, 4, DType::f32).to_vector<float>();
  for (std::size_t i = 0; i < bytes.size(); ++i)
    ASSERT_NEAR(same[i], (bytes[i] / 255.0F - mean[i % 3]) / std[i % 3], 2e-6F);
  // 2 x 4 -> 1 x 1: the mean of the middle 2 x 2, which the antialiased triangle of radius 2 weighs equally.
  std::vector<std::uint8_t> wide(2 * 4 * 3, 0);
  for (const int i : {3, 6, 15, 18}) wide[static_cast<std::size_t>(i)] = 200;
  const Tensor one =
      evaluation_images(Tensor::from(wide, {1, 2, 4, 3}, GetParam()), std::vector<float>(3, 0.0F),
                        std::vector<float>(3, 1.0F), 1, DType::f32);
  EXPECT_NEAR(one.to_vector<float>()[0], 200.0F / 255.0F, 1e-6F);
  EXPECT_EQ(evaluation_images(batch.images, mean, std, 7, DType::bf16).shape(), Shape({2, 7, 7, 3}));
}

TEST_P(AugmenterTest, RefusesWhatItCannotDoByName) {
  const Batch batch = random_batch(2, 8, 8, GetParam());
  const Augmenter augmenter(1);
  const auto apply = [&](const Batch& b, const ViewPlan& plan) {
    return augmenter.apply(b, plan, 0, DType::f32);
  };
  EXPECT_THAT([&] { apply(batch, {}); }, ThrowsMessage<BadConfig>(HasSubstr("no views")));
  EXPECT_THAT(
      [&] {
        apply(batch, {.views = {simsiam_recipe(8), simsiam_recipe(9)}});
      },
      ThrowsMessage<BadConfig>(HasSubstr("view 1 has size 9, view 0 has 8")));
  EXPECT_THAT([&] { apply({.images = batch.images, .ids = {1}}, {.views = {simsiam_recipe(8)}}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("2 images with 1 ids")));
  EXPECT_THAT(
      [&] {
        apply({.images = Tensor::zeros({2, 8, 8, 3}), .ids = {1, 2}}, {.views = {simsiam_recipe(8)}});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("(2, 8, 8, 3) f32, need (B, H, W, 3) u8")));
  EXPECT_THAT([&] { apply(batch, {.views = {supervised_recipe(32)}}); },
              ThrowsMessage<BadConfig>(HasSubstr("size 32 from images of 8 x 8 with crop_padding 4")));
  EXPECT_THROW(augmenter.apply(batch, {.views = {simsiam_recipe(8)}}, 0, DType::f64), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, AugmenterTest, testing::ValuesIn(test::devices()));

TEST(ViewRecipeTest, NamesTheFieldThatIsOutOfRange) {
  const auto check = [](const auto& change) {
    return [change] {
      ViewRecipe recipe;
      change(recipe);
      recipe.check();
    };
  };
  EXPECT_NO_THROW(check([](ViewRecipe&) {})());
  const auto refused = [&](const auto& change, const char* text) {
    EXPECT_THAT(check(change), ThrowsMessage<BadConfig>(HasSubstr(text)));
  };
  refused([](ViewRecipe& r) { r.size = 0; }, "size is 0, need 1 to 4096");
  refused(
      [](ViewRecipe& r) {
        r.crop_scale_min = 0.9F;
        r.crop_scale_max = 0.5F;
      },
      "crop_scale goes from 0.9");
  refused([](ViewRecipe& r) { r.crop_ratio_max = NAN; }, "crop_ratio");
  refused([](ViewRecipe& r) { r.flip_probability = NAN; }, "flip_probability is nan");
  refused([](ViewRecipe& r) { r.jitter_probability = 1.5F; }, "jitter_probability is 1.5");
  refused([](ViewRecipe& r) { r.hue = 0.6F; }, "hue is 0.6");
  refused([](ViewRecipe& r) { r.brightness = -1; }, "brightness is -1");
  refused(
      [](ViewRecipe& r) {
        r.blur_probability = 0.5F;
        r.blur_kernel = 4;
      },
      "blur_kernel is 4");
  refused(
      [](ViewRecipe& r) {
        r.blur_probability = 0.5F;
        r.size = 1;
      },
      "blur_kernel is 3, need an odd number");
  refused([](ViewRecipe& r) { r.solarise_threshold = 2; }, "solarise_threshold is 2");
  refused([](ViewRecipe& r) { r.std[1] = 0; }, "std is 0");
  refused([](ViewRecipe& r) { r.mean[2] = INFINITY; }, "mean is inf");
}

TEST(RecipesTest, AreValidAtEveryPublishedSize) {
  for (const std::int64_t size : {32, 64, 224}) {
    for (const ViewRecipe& recipe :
         {simclr_recipe(size), simsiam_recipe(size), emp_ssl_recipe(size), supervised_recipe(size)}) {
      EXPECT_NO_THROW(recipe.check());
      EXPECT_EQ(recipe.size, size);
    }
  }
  EXPECT_EQ(simsiam_recipe(64).blur_taps(), 7);
  EXPECT_EQ(simclr_recipe(224).blur_taps(), 23);
}

}  // namespace
}  // namespace nagare::ssl
