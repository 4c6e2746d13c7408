#include "engine/autograd/tape.h"

#include <gmock/gmock.h>

namespace nagare {
namespace {

Tensor scalar(float value) { return Tensor::full({}, value); }

// y = a * x, as an op would write it.
Tensor times(const Tensor& x, float a) {
  const Tensor y = scalar(a * static_cast<float>(x.item()));
  return tape::record(y, {x}, [a](const Tensor& dy) -> std::vector<Tensor> {
    return {scalar(a * static_cast<float>(dy.item()))};
  });
}

Tensor plus(const Tensor& a, const Tensor& b) {
  const Tensor y = scalar(static_cast<float>(a.item() + b.item()));
  return tape::record(y, {a, b}, [](const Tensor& dy) -> std::vector<Tensor> { return {dy, dy}; });
}

TEST(TapeTest, GradientsOfSharedInputsAdd) {
  Tensor x = scalar(3.0F);
  x.set_requires_grad(true);
  const Tensor h = times(x, 2.0F);
  tape::backward(plus(times(h, 5.0F), plus(h, x)));  // 5 * 2x + 2x + x
  EXPECT_EQ(x.grad().item(), 13.0);
}

TEST(TapeTest, SecondBackwardAddsToTheGradient) {
  Tensor x = scalar(1.0F);
  x.set_requires_grad(true);
  tape::backward(times(x, 2.0F));
  tape::backward(times(x, 3.0F));
  EXPECT_EQ(x.grad().item(), 5.0);
  x.clear_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(TapeTest, NothingIsRecordedWithoutNeed) {
  Tensor x = scalar(1.0F);
  EXPECT_FALSE(times(x, 2.0F).requires_grad());
  x.set_requires_grad(true);
  {
    const tape::NoGrad guard;
    EXPECT_FALSE(times(x, 2.0F).requires_grad());
  }
  EXPECT_TRUE(times(x, 2.0F).requires_grad());
}

TEST(TapeTest, AGraphCanBeUsedOnce) {
  Tensor x = scalar(1.0F);
  x.set_requires_grad(true);
  const Tensor y = times(x, 2.0F);
  tape::backward(y);
  EXPECT_THAT([&] { tape::backward(y); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("freed")));
}

TEST(TapeTest, RefusesWhatHasNoHistoryOrIsNoScalar) {
  EXPECT_THROW(tape::backward(scalar(1.0F)), std::invalid_argument);
  EXPECT_THROW(tape::backward(Tensor::zeros({2})), std::invalid_argument);
}

TEST(TapeTest, ADeepGraphDoesNotOverflowTheStack) {
  Tensor x = scalar(1.0F);
  x.set_requires_grad(true);
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) y = times(y, 1.0F);
  tape::backward(y);
  EXPECT_EQ(x.grad().item(), 1.0);
}

}  // namespace
}  // namespace nagare
