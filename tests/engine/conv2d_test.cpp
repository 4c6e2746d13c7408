#include "engine/ops/conv2d.h"

#include <gmock/gmock.h>

#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::Values;

struct Sizes {
  std::int64_t n, h, w, c, o, kernel, stride, padding;
  bool bias;
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.n << "x" << s.h << "x" << s.w << "x" << s.c << " -> " << s.o << ", kernel " << s.kernel
       << ", stride " << s.stride << ", padding " << s.padding << (s.bias ? ", bias" : "");
}

std::int64_t out_size(std::int64_t in, const Sizes& s) {
  return (in + 2 * s.padding - s.kernel) / s.stride + 1;
}

Values definition(const Sizes& s, const std::vector<Values>& in) {
  const std::int64_t oh = out_size(s.h, s);
  const std::int64_t ow = out_size(s.w, s);
  Values y;
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t i = 0; i < oh * ow; ++i) {
      for (std::int64_t o = 0; o < s.o; ++o) {
        double sum = s.bias ? in[2][static_cast<std::size_t>(o)] : 0.0;
        for (std::int64_t k = 0; k < s.kernel * s.kernel; ++k) {
          const std::int64_t row = i / ow * s.stride + k / s.kernel - s.padding;
          const std::int64_t col = i % ow * s.stride + k % s.kernel - s.padding;
          if (row < 0 || row >= s.h || col < 0 || col >= s.w) continue;
          for (std::int64_t c = 0; c < s.c; ++c) {
            sum += in[0][static_cast<std::size_t>(((n * s.h + row) * s.w + col) * s.c + c)] *
                   in[1][static_cast<std::size_t>((o * s.kernel * s.kernel + k) * s.c + c)];
          }
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

struct Conv2dTest : testing::TestWithParam<std::tuple<Device, Sizes>> {
  Device device = std::get<0>(GetParam());
  Sizes s = std::get<1>(GetParam());

  test::OpCase op_case(DType dtype) const {
    test::OpCase c;
    c.inputs = {normal_input({s.n, s.h, s.w, s.c}, 10, dtype),
                normal_input({s.o, s.kernel, s.kernel, s.c}, 11)};
    if (s.bias) c.inputs.push_back(normal_input({s.o}, 12));
    c.op = [s = s](const std::vector<Tensor>& t) {
      return conv2d(t[0], t[1], s.bias ? t[2] : Tensor(), {.stride = s.stride, .padding = s.padding});
    };
    c.definition = [s = s](const std::vector<Values>& in) { return definition(s, in); };
    return c;
  }
};

TEST_P(Conv2dTest, MatchesTheDefinition) {
  EXPECT_TRUE(test::matches_definition(device, op_case(DType::f32)));
}

TEST_P(Conv2dTest, Bf16MatchesTheDefinitionWithinItsRounding) {
  test::OpCase c = op_case(DType::bf16);
  c.tolerance = 0.02;  // weights and result rounded to 8 bits
  EXPECT_TRUE(test::matches_definition(device, c));
}

constexpr Sizes kSizes[] = {
    {1, 1, 1, 1, 1, 1, 1, 0, true},    {2, 8, 8, 3, 5, 3, 1, 1, false},     {1, 7, 9, 5, 6, 3, 1, 1, true},
    {2, 6, 6, 33, 17, 3, 1, 1, false}, {3, 9, 7, 4, 5, 3, 2, 1, false},     {2, 7, 5, 6, 4, 1, 2, 0, false},
    {2, 17, 15, 3, 4, 7, 2, 3, true},  {2, 12, 8, 3, 10, 4, 4, 0, true},    {2, 2, 2, 16, 24, 3, 2, 1, false},
    {2, 4, 4, 64, 32, 3, 1, 1, false}, {3, 10, 10, 16, 32, 3, 2, 1, false}, {5, 4, 4, 16, 16, 3, 1, 1, false},
    {2, 6, 9, 17, 16, 1, 2, 0, true},
};
INSTANTIATE_TEST_SUITE_P(Sizes, Conv2dTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kSizes)));

Tensor weight_gradient(const Tensor& x, const Tensor& dy) {
  Tensor w = Tensor::zeros({16, 3, 3, 256}, {.device = x.device()});
  w.set_requires_grad(true);
  tape::backward(conv2d(x, w, {}, {.padding = 1}), dy);
  return w.grad();
}

struct Conv2dBatch : testing::TestWithParam<Device> {};

// 600 images of 73 kB of unfolded windows: more than the CPU unfolds at once.
TEST_P(Conv2dBatch, WeightGradientIsTheSumOverTheBatch) {
  const auto bf16_tensor = [](const Shape& shape, std::uint32_t seed) {
    return test::to_tensor(test::normal_values(shape.numel(), seed, DType::bf16), shape, DType::bf16,
                           GetParam());
  };
  const Tensor x = bf16_tensor({600, 4, 4, 256}, 1);
  const Tensor dy = bf16_tensor({600, 4, 4, 16}, 2);
  const Values whole = test::to_values(weight_gradient(x, dy));
  const Values first = test::to_values(weight_gradient(x.rows(0, 301), dy.rows(0, 301)));
  const Values rest = test::to_values(weight_gradient(x.rows(301, 299), dy.rows(301, 299)));
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], first[i] + rest[i], 1e-2) << i;
}

INSTANTIATE_TEST_SUITE_P(Devices, Conv2dBatch, testing::ValuesIn(test::devices()));

TEST(Conv2dErrors, NameBothShapes) {
  const auto convolve = [](const Shape& x, const Shape& w, const Conv2d& options) {
    return [=] { conv2d(Tensor::zeros(x), Tensor::zeros(w), {}, options); };
  };
  EXPECT_THAT(convolve({32, 32, 32, 16}, {64, 3, 3, 3}, {}),
              testing::ThrowsMessage<std::invalid_argument>(
                  "conv2d: weight (64, 3, 3, 3) wants 3 input channels, x (32, 32, 32, 16) has 16"));
  EXPECT_THAT(convolve({2, 8, 8, 3}, {4, 3, 3, 3}, {.padding = 3}),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("padding 3")));
  EXPECT_THAT(convolve({2, 2, 2, 3}, {4, 5, 5, 3}, {}),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("a kernel no larger")));
  EXPECT_THROW(convolve({2, 8, 8, 3}, {4, 3, 3, 3}, {.stride = 0})(), std::invalid_argument);
  EXPECT_THROW(convolve({8, 8, 3}, {4, 3, 3, 3}, {})(), std::invalid_argument);
}

TEST(Conv2dErrors, AnEmptyBatchIsValid) {
  Tensor w = Tensor::full({4, 3, 3, 3}, 1.0F);
  w.set_requires_grad(true);
  const Tensor y = conv2d(Tensor::zeros({0, 8, 8, 3}), w, {}, {.padding = 1});
  EXPECT_EQ(y.shape(), (Shape{0, 8, 8, 4}));
  tape::backward(y, Tensor::zeros(y.shape()));
  for (const float v : w.grad().to_vector<float>()) EXPECT_EQ(v, 0.0F);
}

}  // namespace
}  // namespace nagare
