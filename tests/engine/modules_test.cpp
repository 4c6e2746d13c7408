// Layers that own parameters: names, roles, start values, and that forward() reaches the parameters.
#include "engine/nn/modules.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "tests/support/devices.h"

namespace nagare::nn {
namespace {

struct ModulesTest : testing::TestWithParam<Device> {
  static Tensor made(const std::vector<float>& values, const Shape& shape) {
    return Tensor::from(values, shape, GetParam());
  }
};

TEST_P(ModulesTest, LayerNormStartsAsPlainNormalisation) {
  Initializer init(1, GetParam());
  const LayerNorm norm(3, init);
  const Tensor y = norm.forward(made({1, 2, 3, -4, -4, 8}, {1, 2, 3}));
  EXPECT_EQ(y.shape(), (Shape{1, 2, 3}));
  const float a = std::sqrt(1.5F);
  const float b = std::sqrt(0.5F);
  EXPECT_THAT(y.to_vector<float>(),
              testing::Pointwise(testing::FloatNear(1e-5F), {-a, 0.0F, a, -b, -b, 2 * b}));
}

TEST_P(ModulesTest, LayerNormListsTorchsNamesAsNorms) {
  Initializer init(1, GetParam());
  const LayerNorm norm(5, init);
  StateList list;
  norm.list_state(list);
  ASSERT_EQ(list.entries().size(), 2U);
  for (const char* name : {"weight", "bias"}) {
    const StateEntry* entry = list.find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->role, Role::norm) << name;
    EXPECT_EQ(entry->tensor.shape(), (Shape{5})) << name;
    EXPECT_EQ(entry->tensor.device(), GetParam()) << name;
  }
}

TEST_P(ModulesTest, LayerNormLearnsItsListedTensors) {
  Initializer init(1, GetParam());
  const LayerNorm norm(3, init, 1e-6F);
  const Tensor direction = made({3, -1, 2, 5, 0, -2}, {2, 3});
  tape::backward(sum(multiply(norm.forward(made({1, 2, 3, -4, -4, 8}, {2, 3})), direction)));
  StateList list;
  norm.list_state(list);
  const float a = std::sqrt(1.5F);
  const float b = std::sqrt(0.5F);
  EXPECT_THAT(list.find("bias")->tensor.grad().to_vector<float>(),
              testing::Pointwise(testing::FloatNear(1e-5F), {8.0F, -1.0F, 0.0F}));
  EXPECT_THAT(list.find("weight")->tensor.grad().to_vector<float>(),
              testing::Pointwise(testing::FloatNear(1e-5F), {-3 * a - 5 * b, 0.0F, 2 * a - 4 * b}));
}

INSTANTIATE_TEST_SUITE_P(Devices, ModulesTest, testing::ValuesIn(test::devices()));

TEST(ModulesTest, GroupNormBeginsAsThePlainNormAndListsTwoNorms) {
  nn::Initializer init(1);
  const nn::GroupNorm norm(6, 3, init);
  const Tensor x = Tensor::from<float>(std::vector<float>{1, 3, 5, 5, -2, 2}, {1, 6});
  EXPECT_NEAR(norm.forward(x).to_vector<float>()[0], -1.0F, 1e-4F);
  EXPECT_NEAR(norm.forward(x).to_vector<float>()[3], 0.0F, 1e-4F);
  nn::StateList list;
  norm.list_state(list);
  ASSERT_EQ(list.entries().size(), 2U);
  EXPECT_EQ(list.entries()[0].name, "weight");
  EXPECT_EQ(list.entries()[1].role, nn::Role::norm);
}

}  // namespace
}  // namespace nagare::nn
