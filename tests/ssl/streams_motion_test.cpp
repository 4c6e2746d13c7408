// How images move on their way through a stream.
#include <gmock/gmock.h>

#include <cmath>

#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "ssl/streams/motion.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Pixels = std::vector<std::uint8_t>;

Pixels noise(std::int64_t height, std::int64_t width) {
  Philox random({.seed = 3, .purpose = Purpose::synthetic});
  Pixels pixels(static_cast<std::size_t>(height * width * 3));
  for (std::uint8_t& value : pixels) value = static_cast<std::uint8_t>(random.below(256));
  return pixels;
}

Pixels moved(const Pixels& in, std::int64_t height, std::int64_t width, const Pose& pose) {
  Pixels out(in.size());
  move_image(in, height, width, pose, out);
  return out;
}

std::uint8_t at(const Pixels& pixels, std::int64_t width, std::int64_t row, std::int64_t column) {
  return pixels[static_cast<std::size_t>((row * width + column) * 3)];
}

TEST(MotionTest, APoseThatMovesNothingCopiesTheBytes) {
  const Pixels in = noise(5, 7);
  EXPECT_EQ(moved(in, 5, 7, {}), in);
  EXPECT_EQ(pose_of({.length = 100}, 50, 3), Pose{});
  EXPECT_EQ(pose_of({.rotate = 90, .hue = 1, .zoom = 2, .length = 100}, 0, 3), Pose{});  // at the beginning
}

// out(x, y) of a quarter turn to the left is in(n - 1 - y, x).
TEST(MotionTest, ANinetyDegreeTurnMovesEveryPixelToItsPlace) {
  constexpr std::int64_t kSide = 6;
  const Pixels in = noise(kSide, kSide);
  const Pixels left = moved(in, kSide, kSide, {.angle = 90});
  const Pixels right = moved(in, kSide, kSide, {.angle = -90});
  for (std::int64_t row = 0; row < kSide; ++row) {
    for (std::int64_t column = 0; column < kSide; ++column) {
      EXPECT_EQ(at(left, kSide, row, column), at(in, kSide, column, kSide - 1 - row));
      EXPECT_EQ(at(right, kSide, row, column), at(in, kSide, kSide - 1 - column, row));
    }
  }
  EXPECT_EQ(moved(left, kSide, kSide, {.angle = -90}), in);
  EXPECT_EQ(moved(in, kSide, kSide, {.angle = 360}), in);
}

// Twice as near: the pixel at distance d from the middle shows what was at d / 2.
TEST(MotionTest, ZoomAndPlaceFollowTheFormula) {
  constexpr std::int64_t kSide = 9;
  const Pixels in = noise(kSide, kSide);
  const Pixels near = moved(in, kSide, kSide, {.zoom = 2});
  EXPECT_EQ(at(near, kSide, 4, 4), at(in, kSide, 4, 4));
  EXPECT_EQ(at(near, kSide, 8, 0), at(in, kSide, 6, 2));
  const float between = (static_cast<float>(at(in, kSide, 4, 4)) + at(in, kSide, 4, 5)) / 2;
  EXPECT_NEAR(at(near, kSide, 4, 5), between, 0.51);
  const Pixels beside = moved(in, kSide, kSide, {.right = 1.0 / 9, .down = 2.0 / 9});
  EXPECT_EQ(at(beside, kSide, 3, 3), at(in, kSide, 5, 4));
  EXPECT_EQ(at(beside, kSide, 8, 8), at(in, kSide, 6, 7));  // beyond the edge: mirrored
}

TEST(MotionTest, HueTurnsColoursAndLeavesGreys) {
  const Pixels in = {255, 0, 0, 40, 40, 40};
  EXPECT_EQ(moved(in, 1, 2, {.hue = 1.0 / 3}), (Pixels{0, 255, 0, 40, 40, 40}));
  EXPECT_EQ(moved(in, 1, 2, {.hue = -1.0 / 3}), (Pixels{0, 0, 255, 40, 40, 40}));
  EXPECT_EQ(moved(in, 1, 2, {.hue = 3.0}), in);
}

TEST(MotionTest, ImagesOfEverySizeCanBeMovedFar) {
  for (const std::int64_t height : {1, 2, 5}) {
    for (const std::int64_t width : {1, 3}) {
      const Pixels in = noise(height, width);
      for (const double zoom : {0.5, 4.0}) {
        const Pixels out = moved(in, height, width, {.angle = 33, .zoom = zoom, .right = 3.2, .down = -7.1});
        EXPECT_EQ(out.size(), in.size());
      }
    }
  }
}

TEST(MotionTest, DriftsAreLinearInThePositionAndZoomGeometric) {
  const Motion motion{.rotate = 90, .hue = -0.5, .zoom = 4, .images = 10, .length = 101};
  EXPECT_DOUBLE_EQ(pose_of(motion, 50, 7).angle, 45.0);
  EXPECT_DOUBLE_EQ(pose_of(motion, 100, 7).angle, 90.0);
  EXPECT_DOUBLE_EQ(pose_of(motion, 50, 7).zoom, 2.0);
  EXPECT_DOUBLE_EQ(pose_of(motion, 100, 7).hue, -0.5);
  EXPECT_EQ(pose_of({.rotate = 90, .length = 1}, 0, 0), Pose{});
}

// The camera goes straight from one place to another; where is the image's own, not the position's.
TEST(MotionTest, FramesOfARunAreASmoothPathOfTheirImage) {
  const Motion motion{.runs = 5, .seed = 2, .images = 10, .length = 50};
  const Pose first = pose_of(motion, 0, 3);
  const Pose middle = pose_of(motion, 0, 3 + 2 * 10);
  const Pose last = pose_of(motion, 49, 3 + 4 * 10);
  EXPECT_NEAR(middle.right, (first.right + last.right) / 2, 1e-9);
  EXPECT_NEAR(middle.down, (first.down + last.down) / 2, 1e-9);
  EXPECT_NEAR(middle.angle, (first.angle + last.angle) / 2, 1e-6);
  for (const Pose& pose : {first, middle, last}) {
    EXPECT_EQ(pose.zoom, 1.15);
    EXPECT_LE(std::abs(pose.right), 0.07);
    EXPECT_LE(std::abs(pose.down), 0.07);
    EXPECT_LE(std::abs(pose.angle), 5.0);
  }
  EXPECT_EQ(pose_of(motion, 17, 3), first);
  EXPECT_NE(pose_of(motion, 0, 4).right, first.right);
  Motion other = motion;
  other.seed = 3;
  EXPECT_NE(pose_of(other, 0, 3).right, first.right);
}

TEST(MotionTest, ArrivingImagesAreTheSameForAnyNumberOfThreads) {
  const Pixels pixels = noise(4 * 6, 6);
  const Tensor images = Tensor::from(pixels, {4, 6, 6, 3});
  const Motion motion{.runs = 3, .rotate = 120, .hue = 0.3, .zoom = 1.4, .images = 4, .length = 12};
  const std::vector<std::int64_t> ids = {2, 6, 10, 1, 5};
  const std::vector<std::int64_t> positions = {4, 5, 6, 7, 8};
  const int before = threads();
  set_threads(1);
  const Pixels one = arriving_images(images, ids, positions, motion).to_vector<std::uint8_t>();
  set_threads(3);
  EXPECT_EQ(arriving_images(images, ids, positions, motion).to_vector<std::uint8_t>(), one);
  set_threads(before);
  const Tensor still = arriving_images(images, {{2, 0}}, {{4, 5}}, {.images = 4, .length = 12});
  EXPECT_EQ(still.rows(0, 1).to_vector<std::uint8_t>(), images.rows(2, 1).to_vector<std::uint8_t>());
}

TEST(MotionTest, RefusesImagesAndIdsThatAreNotTheStreams) {
  const Tensor images = Tensor::zeros({4, 2, 2, 3}, {.dtype = DType::u8});
  const std::vector<std::int64_t> one = {0};
  const std::vector<std::int64_t> two = {0, 1};
  const std::vector<std::int64_t> negative = {-1};
  const auto arrive = [&](const auto& ids, const auto& positions, std::int64_t count) {
    return [&, count] { arriving_images(images, ids, positions, {.images = count}); };
  };
  EXPECT_THAT(arrive(one, one, 5), ThrowsMessage<std::invalid_argument>(HasSubstr("the stream's 5")));
  EXPECT_THAT(arrive(two, one, 4), ThrowsMessage<std::invalid_argument>(HasSubstr("2 ids and 1 positions")));
  EXPECT_THAT(arrive(negative, one, 4), ThrowsMessage<std::invalid_argument>(HasSubstr("id -1")));
}

}  // namespace
}  // namespace nagare::ssl
