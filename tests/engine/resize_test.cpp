#include "engine/ops/resize.h"

#include <gmock/gmock.h>

#include "engine/autograd/tape.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

struct ResizeOpTest : testing::TestWithParam<Device> {};

// The map is linear, so <dy, resize(x)> = <dx, x> for every x: the gradient, without a definition of the resize.
TEST_P(ResizeOpTest, GradientIsTheAdjoint) {
  const test::Matrix x = test::normal(1, 2 * 7 * 5 * 3, /*seed=*/1);
  const test::Matrix dy = test::normal(1, 2 * 4 * 9 * 3, /*seed=*/2);
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool antialias : {false, true}) {
      Tensor leaf =
          Tensor::from(std::vector<float>(x.values().begin(), x.values().end()), {2, 7, 5, 3}, GetParam());
      leaf.set_requires_grad(true);
      const Tensor y =
          resize(leaf, {.height = 4, .width = 9, .interpolation = interpolation, .antialias = antialias});
      tape::backward(
          y, Tensor::from(std::vector<float>(dy.values().begin(), dy.values().end()), y.shape(), GetParam()));
      double forward = 0;
      double backward = 0;
      const std::vector<float> out = y.to_vector<float>();
      const std::vector<float> dx = leaf.grad().to_vector<float>();
      for (std::size_t i = 0; i < out.size(); ++i) forward += dy.values()[i] * out[i];
      for (std::size_t i = 0; i < dx.size(); ++i) backward += x.values()[i] * dx[i];
      EXPECT_NEAR(forward, backward, 1e-4);
      EXPECT_GT(std::abs(forward), 1e-2);
    }
  }
}

TEST_P(ResizeOpTest, SameSizeIsTheSameImage) {
  const std::vector<float> values = {0.1F, 0.9F, 0.3F, 0.5F, 0.7F, 0.2F};
  const Tensor x = Tensor::from(values, {1, 2, 3, 1}, GetParam());
  for (const bool antialias : {false, true}) {
    EXPECT_EQ(resize(x, {.height = 2, .width = 3, .antialias = antialias}).to_vector<float>(), values);
  }
}

TEST_P(ResizeOpTest, RefusesOtherRanksAndEmptySizes) {
  const TensorOptions options{.device = GetParam()};
  EXPECT_THAT(
      [&] {
        resize(Tensor::zeros({3, 4}, options), {.height = 1, .width = 5});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("x (3, 4), need (N, H, W, C)")));
  EXPECT_THAT(
      [&] {
        resize(Tensor::zeros({2, 3, 4, 1}, options), {.height = 0, .width = 5});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(2, 3, 4, 1) to 0 x 5")));
  EXPECT_EQ(resize(Tensor::zeros({0, 3, 4, 1}, options), {.height = 2, .width = 5}).shape(),
            Shape({0, 2, 5, 1}));
}

INSTANTIATE_TEST_SUITE_P(Devices, ResizeOpTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
