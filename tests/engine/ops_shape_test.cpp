#include <gmock/gmock.h>

#include "engine/ops/shape_ops.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct ShapeOpTest : testing::TestWithParam<std::tuple<Device, DType>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());

  void check(OpCase c) const {
    c.tolerance = test::tolerance_of(dtype);
    EXPECT_TRUE(test::matches_definition(device, c));
  }
};

TEST_P(ShapeOpTest, Reshape) {
  check({.inputs = {normal_input({3, 4, 5}, 1, dtype)},
         .op =
             [](const std::vector<Tensor>& in) {
               return reshape(in[0], {15, 4});
             },
         .definition = [](const std::vector<Values>& in) { return in[0]; }});
}

TEST_P(ShapeOpTest, PermuteOfThreeAxes) {
  check({.inputs = {normal_input({3, 4, 5}, 1, dtype)},
         .op =
             [](const std::vector<Tensor>& in) {
               return permute(in[0], {2, 0, 1});
             },
         .definition =
             [](const std::vector<Values>& in) {
               Values y;
               for (std::size_t k = 0; k < 5; ++k) {
                 for (std::size_t i = 0; i < 3; ++i) {
                   for (std::size_t j = 0; j < 4; ++j) y.push_back(in[0][(i * 4 + j) * 5 + k]);
                 }
               }
               return y;
             }});
}

TEST_P(ShapeOpTest, PermuteThatKeepsTheLastAxis) {
  check({.inputs = {normal_input({3, 4, 5}, 1, dtype)},
         .op =
             [](const std::vector<Tensor>& in) {
               return permute(in[0], {1, 0, 2});
             },
         .definition =
             [](const std::vector<Values>& in) {
               Values y;
               for (std::size_t j = 0; j < 4; ++j) {
                 for (std::size_t i = 0; i < 3; ++i) {
                   for (std::size_t k = 0; k < 5; ++k) y.push_back(in[0][(i * 4 + j) * 5 + k]);
                 }
               }
               return y;
             }});
}

TEST_P(ShapeOpTest, Concat) {
  for (const int axis : {0, -1}) {
    // (2, 3) and (4, 3) below each other; (2, 3) and (2, 6) beside each other.
    check({.inputs = {normal_input({2, 3}, 1, dtype),
                      normal_input(axis == 0 ? Shape{4, 3} : Shape{2, 6}, 2, dtype)},
           .op =
               [axis](const std::vector<Tensor>& in) {
                 return concat({in[0], in[1]}, axis);
               },
           .definition =
               [axis](const std::vector<Values>& in) {
                 Values y;
                 for (std::size_t r = 0; r < (axis == 0 ? 1U : 2U); ++r) {
                   const auto part = [&](const Values& v, std::size_t width) {
                     for (std::size_t c = 0; c < width; ++c) y.push_back(v[r * width + c]);
                   };
                   part(in[0], axis == 0 ? 6 : 3);
                   part(in[1], axis == 0 ? 12 : 6);
                 }
                 return y;
               }});
  }
}

TEST_P(ShapeOpTest, SliceOfTheMiddleAxis) {
  check({.inputs = {normal_input({3, 7, 2}, 1, dtype)},
         .op = [](const std::vector<Tensor>& in) { return slice(in[0], 1, 2, 3); },
         .definition =
             [](const std::vector<Values>& in) {
               Values y;
               for (std::size_t i = 0; i < 3; ++i) {
                 for (std::size_t j = 2 * 2; j < 5 * 2; ++j) y.push_back(in[0][i * 14 + j]);
               }
               return y;
             }});
}

TEST_P(ShapeOpTest, GatherRowsWithRepeats) {
  const std::vector<std::int64_t> index{4, 0, 4, 1, 4};  // rows 2 and 3 get no gradient, row 4 three
  const Tensor indices = Tensor::from(index, {5}, device);
  check({.inputs = {normal_input({5, 37}, 1, dtype)},
         .op = [indices](const std::vector<Tensor>& in) { return gather_rows(in[0], indices); },
         .definition =
             [&](const std::vector<Values>& in) {
               Values y;
               for (const std::int64_t r : index) {
                 for (std::int64_t c = 0; c < 37; ++c)
                   y.push_back(in[0][static_cast<std::size_t>(r * 37 + c)]);
               }
               return y;
             }});
}

INSTANTIATE_TEST_SUITE_P(Types, ShapeOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16)));

struct ShapeOpEdges : testing::TestWithParam<Device> {
  TensorOptions options{.device = GetParam()};
};

TEST_P(ShapeOpEdges, AnyElementTypeMoves) {
  const Tensor bytes =
      Tensor::from<std::uint8_t>(std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5}, {2, 3}, GetParam());
  EXPECT_THAT(permute(bytes, {1, 0}).to_vector<std::uint8_t>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(concat({bytes, bytes}, 1).to_vector<std::uint8_t>(),
              ElementsAre(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5));
  EXPECT_THAT(slice(bytes, -1, 1, 2).to_vector<std::uint8_t>(), ElementsAre(1, 2, 4, 5));
  const Tensor numbers = Tensor::from<std::int64_t>(std::vector<std::int64_t>{7, 8, 9}, {3}, GetParam());
  const Tensor order = Tensor::from<std::int64_t>(std::vector<std::int64_t>{2, 0}, {2}, GetParam());
  EXPECT_THAT(gather_rows(numbers, order).to_vector<std::int64_t>(), ElementsAre(9, 7));
}

TEST_P(ShapeOpEdges, EmptyPartsAreValid) {
  const Tensor none = Tensor::empty({0, 3}, options);
  const Tensor one = Tensor::full({1, 3}, 2.0F, options);
  EXPECT_EQ(concat({none, one}, 0).shape(), (Shape{1, 3}));
  EXPECT_EQ(permute(none, {1, 0}).shape(), (Shape{3, 0}));
  EXPECT_EQ(slice(one, 0, 1, 0).shape(), (Shape{0, 3}));
}

TEST_P(ShapeOpEdges, ErrorsNameWhatTheyGot) {
  const Tensor x = Tensor::zeros({2, 3}, options);
  EXPECT_THAT(
      [&] {
        permute(x, {0, 0});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("permute: axes (0, 0) for shape (2, 3)")));
  EXPECT_THAT([&] { permute(x, {0, 2}); }, ThrowsMessage<std::invalid_argument>(HasSubstr("axes (0, 2)")));
  EXPECT_THAT(
      [&] {
        concat({x, Tensor::zeros({2, 4}, options)}, 0);
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("concat: (2, 3) f32 and (2, 4) f32 along axis 0")));
  EXPECT_THAT([&] { concat({}, 0); }, ThrowsMessage<std::invalid_argument>(HasSubstr("concat: no tensors")));
  EXPECT_THAT([&] { slice(x, 1, 2, 2); },
              ThrowsMessage<std::out_of_range>(HasSubstr("slice: 2 entries from 2 along axis 1 of (2, 3)")));
  EXPECT_THAT([&] { slice(x, 2, 0, 1); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("axis 2 of shape (2, 3)")));
  EXPECT_THAT([&] { gather_rows(x, x); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("gather_rows: got (2, 3) f32")));
}

TEST(GatherRowsTest, AnIndexOutsideIsNamed) {
  const Tensor x = Tensor::zeros({2, 3});
  for (const std::int64_t bad : {-1, 2}) {
    const Tensor index = Tensor::from<std::int64_t>(std::vector<std::int64_t>{0, bad}, {2});
    EXPECT_THAT([&] { gather_rows(x, index); },
                ThrowsMessage<std::out_of_range>(
                    HasSubstr("index " + std::to_string(bad) + " at position 1, the source has 2 rows")));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ShapeOpEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
