#include "engine/tensor/tensor.h"

#include <gmock/gmock.h>

#include "tests/support/devices.h"

namespace nagare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ShapeTest, CountsElementsAndPrints) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.numel(), 24);
  EXPECT_EQ(shape.rows(), 6);
  EXPECT_EQ(shape[-1], 4);
  EXPECT_EQ(to_string(shape), "(2, 3, 4)");
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{0, 5}).numel(), 0);
}

TEST(ShapeTest, RefusesNegativeSizesOverflowAndAbsentAxes) {
  EXPECT_THROW((Shape{2, -1}), std::invalid_argument);
  EXPECT_THROW((Shape{INT64_MAX, 3}), std::invalid_argument);
  EXPECT_THROW((Shape{0, INT64_MAX, 3}), std::invalid_argument);
  EXPECT_THROW((Shape{2})[1], std::out_of_range);
}

struct TensorTest : testing::TestWithParam<Device> {};

TEST_P(TensorTest, ViewsShareElements) {
  const Tensor t = Tensor::from<float>(std::vector<float>{0, 1, 2, 3, 4, 5}, {3, 2}, GetParam());
  EXPECT_THAT(t.rows(1, 1).to_vector<float>(), ElementsAre(2, 3));
  t.rows(2, 1).fill_zero();
  EXPECT_THAT(t.reshaped({2, 3}).to_vector<float>(), ElementsAre(0, 1, 2, 3, 0, 0));
}

TEST_P(TensorTest, CloneHasItsOwnElements) {
  const Tensor t = Tensor::full({2}, 1.0F, {.dtype = DType::bf16, .device = GetParam()});
  const Tensor copy = t.clone();
  t.fill_zero();
  EXPECT_THAT(copy.to_vector<float>(), ElementsAre(1, 1));
}

INSTANTIATE_TEST_SUITE_P(Devices, TensorTest, testing::ValuesIn(test::devices()));

TEST(TensorTest, ErrorsNameBothSides) {
  const Tensor t = Tensor::zeros({2, 3});
  EXPECT_THAT([&] { t.reshaped({7}); }, ThrowsMessage<std::invalid_argument>(HasSubstr("(2, 3) has 6")));
  EXPECT_THAT([&] { t.data<std::int64_t>(); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("holds f32, not i64")));
  EXPECT_THROW(t.rows(1, 2), std::out_of_range);
  EXPECT_THROW(Tensor::from<float>(std::vector<float>{1}, {2}), std::invalid_argument);
}

}  // namespace
}  // namespace nagare
