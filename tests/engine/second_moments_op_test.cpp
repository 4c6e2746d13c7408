#include <gmock/gmock.h>

#include "engine/ops/batch_norm.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/cross_correlation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/variance_covariance.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// (d, d): `on` on the diagonal, `off` elsewhere.
Tensor diagonal_pattern(std::int64_t d, float on, float off, Device device) {
  std::vector<float> values(static_cast<std::size_t>(d * d), off);
  for (std::int64_t i = 0; i < d; ++i) values[static_cast<std::size_t>(i * (d + 1))] = on;
  return Tensor::from(values, {d, d}, device);
}

// The losses of plain ops, by columns: what the fused ones must agree with, in either form.
Tensor composed_correlation_loss(const Tensor& x, const Tensor& y, const CrossCorrelationLoss& o) {
  const std::int64_t d = x.shape()[1];
  const BatchNorm standardise{.training = true, .epsilon = o.epsilon};
  const Tensor a = batch_norm(x, {}, standardise);
  const Tensor b = batch_norm(y, {}, standardise);
  const Tensor c = scale(matmul(a, b, {.transpose_a = true}), 1.0F / static_cast<float>(x.shape()[0]));
  const Tensor off = subtract(c, diagonal_pattern(d, 1.0F, 0.0F, x.device()));
  return scale(sum(multiply(square(off), diagonal_pattern(d, 1.0F, o.lambda, x.device()))), o.weight);
}

Tensor composed_view_terms(const Tensor& x, const VarianceCovarianceLoss& o) {
  const auto rows = static_cast<float>(x.shape()[0]);
  const auto cols = static_cast<float>(x.shape()[1]);
  const Tensor centred = add_row(x, scale(mean_rows(x), -1.0F));
  const Tensor variance = scale(mean_rows(square(centred)), rows / (rows - 1.0F));
  const Tensor hinge = mean(relu(add_scalar(scale(sqrt(add_scalar(variance, o.epsilon)), -1.0F), 1.0F)));
  const Tensor c = scale(matmul(centred, centred, {.transpose_a = true}), 1.0F / (rows - 1.0F));
  const Tensor off = multiply(square(c), diagonal_pattern(x.shape()[1], 0.0F, 1.0F, x.device()));
  return add(scale(hinge, o.variance_weight), scale(sum(off), o.covariance_weight / cols));
}

Tensor composed_covariance_loss(const Tensor& x, const Tensor& y, const VarianceCovarianceLoss& o) {
  const Tensor invariance = scale(mean(square(subtract(x, y))), o.invariance_weight);
  return add(invariance, add(composed_view_terms(x, o), composed_view_terms(y, o)));
}

Tensor leaf(const Shape& shape, std::uint32_t seed, Device device, DType dtype = DType::f32) {
  Tensor t = test::to_tensor(test::normal_values(shape.numel(), seed, dtype), shape, dtype, device);
  return t.set_requires_grad(true);
}

struct SecondMomentsOpTest : testing::TestWithParam<Device> {
  Device device = GetParam();

  template <class Fused, class Composed>
  void expect_equal(const Fused& fused, const Composed& composed) {
    for (const Shape& shape : {Shape{6, 19}, Shape{21, 8}}) {  // by rows, by columns
      for (const float upstream : {1.0F, -0.5F}) {
        const Tensor x[] = {leaf(shape, 1, device), leaf(shape, 1, device)};
        const Tensor y[] = {leaf(shape, 2, device), leaf(shape, 2, device)};
        const Tensor loss[] = {fused(x[0], y[0]), composed(x[1], y[1])};
        EXPECT_NEAR(loss[0].item() / loss[1].item(), 1.0, 1e-5);
        for (const Tensor& l : loss) tape::backward(scale(l, upstream));
        for (const auto& pair : {x, y}) {
          EXPECT_TRUE(
              test::near_values(test::to_values(pair[0].grad()), test::to_values(pair[1].grad()), 2e-5));
        }
      }
    }
  }
};

TEST_P(SecondMomentsOpTest, CrossCorrelationEqualsItsUnfusedDouble) {
  const CrossCorrelationLoss options{.lambda = 0.02F, .weight = 1.3F};
  expect_equal([&](const Tensor& x, const Tensor& y) { return cross_correlation_loss(x, y, options); },
               [&](const Tensor& x, const Tensor& y) { return composed_correlation_loss(x, y, options); });
}

TEST_P(SecondMomentsOpTest, VarianceCovarianceEqualsItsUnfusedDouble) {
  const VarianceCovarianceLoss options{
      .invariance_weight = 3.0F, .variance_weight = 7.0F, .covariance_weight = 2.0F};
  expect_equal([&](const Tensor& x, const Tensor& y) { return variance_covariance_loss(x, y, options).loss; },
               [&](const Tensor& x, const Tensor& y) { return composed_covariance_loss(x, y, options); });
}

TEST_P(SecondMomentsOpTest, ConstantsGetNoGradientAndGradientsHaveTheTypeOfTheirOperand) {
  for (const bool correlation : {true, false}) {
    const Tensor x = leaf({4, 9}, 1, device, DType::bf16);
    const Tensor y = leaf({4, 9}, 2, device, DType::bf16);
    const auto loss = [&](const Tensor& a, const Tensor& b) {
      return correlation ? cross_correlation_loss(a, b) : variance_covariance_loss(a, b).loss;
    };
    tape::backward(loss(x.detach(), y));
    EXPECT_FALSE(x.grad().defined());
    EXPECT_EQ(y.grad().dtype(), DType::bf16);
    const tape::NoGrad guard;
    EXPECT_FALSE(loss(x, y).requires_grad());
  }
}

TEST_P(SecondMomentsOpTest, ErrorsNameTheShapes) {
  const Tensor a = Tensor::zeros({2, 3}, {.device = device});
  EXPECT_THAT(
      [&] {
        cross_correlation_loss(a, a.reshaped({3, 2}));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("cross_correlation: (2, 3) f32 and (3, 2) f32")));
  EXPECT_THAT(
      [&] {
        cross_correlation_loss(a.reshaped({1, 6}), a.reshaped({1, 6}));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("cross_correlation: shape (1, 6)")));
  EXPECT_THAT(
      [&] {
        variance_covariance_loss(a, a.reshaped({3, 2}));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("variance_covariance: (2, 3) f32 and (3, 2) f32")));
  EXPECT_THAT(
      [&] { variance_covariance_loss(a.reshaped({6}), a.reshaped({6})); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("variance_covariance: x (6): need (batch, dim)")));
}

INSTANTIATE_TEST_SUITE_P(Devices, SecondMomentsOpTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
