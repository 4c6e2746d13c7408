#include <gmock/gmock.h>

#include "engine/ops/cosine.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_values;
using testing::HasSubstr;
using testing::ThrowsMessage;

// The same of plain ops: what the fused op must agree with.
Tensor composed_cosine(const Tensor& a, const Tensor& b, const MeanCosine& o) {
  return scale(mean(sum_columns(multiply(l2_normalize(a, o.epsilon), l2_normalize(b, o.epsilon)))), o.weight);
}

Tensor composed_patch_cosine(const Tensor& z, const MeanCosine& o) {
  const Tensor direction = l2_normalize(mean_outer(z), o.epsilon);  // (b, d)
  const Tensor mean_unit = mean_outer(l2_normalize(z, o.epsilon));  // (b, d)
  return scale(mean(sum_columns(multiply(mean_unit, direction))), o.weight);
}

Tensor leaf(const Shape& shape, std::uint32_t seed, DType dtype, Device device) {
  Tensor t = test::to_tensor(normal_values(shape.numel(), seed, dtype), shape, dtype, device);
  return t.set_requires_grad(true);
}

struct CosineOpTest : testing::TestWithParam<Device> {
  Device device = GetParam();
};

void expect_near(const Tensor& got, const Tensor& want, double tolerance) {
  ASSERT_TRUE(got.defined() && want.defined());
  EXPECT_TRUE(test::near_values(test::to_values(got), test::to_values(want), tolerance));
}

TEST_P(CosineOpTest, EqualsItsUnfusedDoubleAlsoUnderAnUpstreamGradient) {
  const MeanCosine options{.weight = -1.7F, .epsilon = 1e-8F};
  for (const float upstream : {1.0F, 0.3F}) {
    const Tensor a = leaf({7, 33}, 1, DType::f32, device);
    const Tensor b = leaf({7, 33}, 2, DType::f32, device);
    const Tensor a2 = leaf({7, 33}, 1, DType::f32, device);
    const Tensor b2 = leaf({7, 33}, 2, DType::f32, device);
    const Tensor loss = mean_cosine(a, b, options);
    const Tensor loss2 = composed_cosine(a2, b2, options);
    EXPECT_NEAR(loss.item(), loss2.item(), 1e-6);
    tape::backward(scale(loss, upstream));
    tape::backward(scale(loss2, upstream));
    expect_near(a.grad(), a2.grad(), 2e-6);
    expect_near(b.grad(), b2.grad(), 2e-6);

    const Tensor z = leaf({5, 3, 17}, 3, DType::f32, device);
    const Tensor z2 = leaf({5, 3, 17}, 3, DType::f32, device);
    tape::backward(scale(mean_patch_cosine(z, options), upstream));
    tape::backward(scale(composed_patch_cosine(z2, options), upstream));
    expect_near(z.grad(), z2.grad(), 4e-6);
  }
}

TEST_P(CosineOpTest, ConstantsGetNoGradientAndGradientsHaveTheTypeOfTheirOperand) {
  const Tensor p = leaf({4, 9}, 1, DType::bf16, device);
  const Tensor z = leaf({4, 9}, 2, DType::bf16, device);
  tape::backward(mean_cosine(p, z.detach()));
  EXPECT_FALSE(z.grad().defined());
  EXPECT_EQ(p.grad().dtype(), DType::bf16);
  const Tensor same = leaf({4, 9}, 1, DType::bf16, device);
  tape::backward(mean_cosine(same, same));  // both operands: cos = 1 whatever the row
  EXPECT_TRUE(test::near_values(test::to_values(same.grad()), test::Values(36, 0.0), 1e-2));
  const tape::NoGrad guard;
  EXPECT_FALSE(mean_cosine(p, z).requires_grad());
}

TEST_P(CosineOpTest, ErrorsNameTheShapes) {
  const Tensor a = Tensor::zeros({2, 3}, {.device = device});
  EXPECT_THAT(
      [&] {
        mean_cosine(a, a.reshaped({3, 2}));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("mean_cosine: (2, 3) f32 and (3, 2) f32")));
  EXPECT_THAT([&] { mean_cosine(a.reshaped({6}), a.reshaped({6})); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("mean_cosine: a (6): need (rows, dim)")));
  EXPECT_THAT(
      [&] { mean_patch_cosine(a); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("mean_patch_cosine: z (2, 3): need (patches, batch")));
  EXPECT_THROW(mean_cosine(a, a, {.epsilon = 0.0F}), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, CosineOpTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
