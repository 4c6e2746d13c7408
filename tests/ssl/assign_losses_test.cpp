// Losses that predict assignments: SwAV and DINO. Their values and gradients are compared in tests/reference.
#include <gmock/gmock.h>

#include "ssl/losses/dino.h"
#include "ssl/losses/swav.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

struct AssignLosses : testing::TestWithParam<Device> {
  Tensor normal(const Shape& shape, std::uint32_t seed) const {
    return test::to_tensor(test::normal_values(shape.numel(), seed), shape, DType::f32, GetParam());
  }
  Tensor zeros(const Shape& shape) const { return Tensor::zeros(shape, {.device = GetParam()}); }
};

// What a network that says the same of everything gets: ln K.
TEST_P(AssignLosses, UniformPredictionsCostLogK) {
  EXPECT_NEAR(swav_loss(zeros({3 * 4, 7}), {.views = 3}).loss.item(), std::log(7.0), 1e-6);
  EXPECT_NEAR(dino_loss(zeros({3 * 4, 7}), normal({2 * 4, 7}, 1), zeros({7}), {.views = 3}).item(),
              std::log(7.0), 1e-6);
}

TEST_P(AssignLosses, SwavCodesAreConstants) {
  Tensor scores = normal({8, 5}, 1);
  scores.set_requires_grad(true);
  const SwavLoss got = swav_loss(scores, {});
  EXPECT_FALSE(got.codes.requires_grad());
  EXPECT_EQ(got.codes.shape(), (Shape{8, 5}));
  EXPECT_TRUE(got.loss.requires_grad());
}

TEST_P(AssignLosses, NonsenseIsRefusedByName) {
  const auto refused = [](auto call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(text)));
  };
  const Tensor scores = normal({8, 5}, 1);
  refused([&] { swav_loss(scores, {.views = 3}); }, "swav_loss: scores (8, 5), 3 views, 2 of them assigned");
  refused([&] { swav_loss(scores, {.assigned_views = 3}); }, "3 of them assigned");
  refused([&] { swav_loss(scores, {.epsilon = 0.0F}); }, "epsilon 0.0");
  refused([&] { swav_loss(scores, {}, normal({4, 6}, 1)); }, "queue (4, 6)");
  refused(
      [&] {
        dino_loss(scores, normal({4, 5}, 1), zeros({5}), {});
      },
      "student (8, 5), targets (4, 5), 2 views");
}

INSTANTIATE_TEST_SUITE_P(Devices, AssignLosses, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare::ssl
