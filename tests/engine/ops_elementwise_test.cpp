#include <gmock/gmock.h>

#include "engine/ops/elementwise.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::positive_input;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

using Case = std::tuple<Device, DType, std::int64_t>;
struct ElementwiseOpTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  std::int64_t n = std::get<2>(GetParam());

  void check_unary(Tensor (*op)(const Tensor&), double (*definition)(double), bool positive = false) const {
    OpCase c;
    c.inputs = {positive ? positive_input({n}, 1, dtype) : normal_input({n}, 1, dtype)};
    c.op = [op](const std::vector<Tensor>& in) { return op(in[0]); };
    c.definition = [definition](const std::vector<Values>& in) {
      Values y;
      for (const double x : in[0]) y.push_back(definition(x));
      return y;
    };
    c.tolerance = test::tolerance_of(dtype);
    EXPECT_TRUE(test::matches_definition(device, c));
  }

  void check_binary(Tensor (*op)(const Tensor&, const Tensor&), double (*definition)(double, double)) const {
    OpCase c;
    c.inputs = {normal_input({n}, 1, dtype), normal_input({n}, 2, dtype)};
    c.op = [op](const std::vector<Tensor>& in) { return op(in[0], in[1]); };
    c.definition = [definition](const std::vector<Values>& in) {
      Values y;
      for (std::size_t i = 0; i < in[0].size(); ++i) y.push_back(definition(in[0][i], in[1][i]));
      return y;
    };
    c.tolerance = test::tolerance_of(dtype);
    EXPECT_TRUE(test::matches_definition(device, c));
  }
};

TEST_P(ElementwiseOpTest, Add) {
  check_binary(&add, [](double a, double b) { return a + b; });
}
TEST_P(ElementwiseOpTest, Subtract) {
  check_binary(&subtract, [](double a, double b) { return a - b; });
}
TEST_P(ElementwiseOpTest, Multiply) {
  check_binary(&multiply, [](double a, double b) { return a * b; });
}
TEST_P(ElementwiseOpTest, Scale) {
  check_unary([](const Tensor& x) { return scale(x, -1.5F); }, [](double x) { return -1.5 * x; });
}
TEST_P(ElementwiseOpTest, AddScalar) {
  check_unary([](const Tensor& x) { return add_scalar(x, 2.25F); }, [](double x) { return x + 2.25; });
}
TEST_P(ElementwiseOpTest, Relu) {
  check_unary(&relu, [](double x) { return std::max(x, 0.0); });
}
TEST_P(ElementwiseOpTest, Mish) {
  check_unary(&mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); });
}

TEST_P(ElementwiseOpTest, Gelu) {
  check_unary(&gelu, [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); });
}
TEST_P(ElementwiseOpTest, Exp) {
  check_unary(&exp, [](double x) { return std::exp(x); });
}
TEST_P(ElementwiseOpTest, Log) {
  check_unary(
      &log, [](double x) { return std::log(x); }, true);
}
TEST_P(ElementwiseOpTest, Square) {
  check_unary(&square, [](double x) { return x * x; });
}
TEST_P(ElementwiseOpTest, Sqrt) {
  check_unary(
      &sqrt, [](double x) { return std::sqrt(x); }, true);
}
TEST_P(ElementwiseOpTest, CastThereAndBack) {
  // The input is exact in both types, so the round trip is the identity, and so is its gradient in bf16.
  OpCase c;
  c.inputs = {normal_input({n}, 1, DType::bf16)};
  c.inputs[0].dtype = dtype;
  c.op = [](const std::vector<Tensor>& in) { return cast(cast(in[0], DType::bf16), DType::f32); };
  c.definition = [](const std::vector<Values>& in) { return in[0]; };
  c.tolerance = test::tolerance_of(DType::bf16);  // dy is rounded on its way back
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, ElementwiseOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(1, 2, 31, 257, 16411)));

struct ElementwiseEdges : testing::TestWithParam<Device> {
  Tensor from(const std::vector<float>& values) const {
    return Tensor::from(values, {static_cast<std::int64_t>(values.size())}, GetParam());
  }
  std::vector<float> gradient(const std::function<Tensor(const Tensor&)>& op,
                              const std::vector<float>& at) const {
    Tensor x = from(at);
    x.set_requires_grad(true);
    tape::backward(op(x), Tensor::full(x.shape(), 1.0F, x.options()));
    return x.grad().to_vector<float>();
  }
};

TEST_P(ElementwiseEdges, ReluAtZeroHasNoGradientAndPassesNaN) {
  EXPECT_EQ(gradient(&relu, {0.0F, -0.0F, 1e-30F, -1e-30F}), (std::vector<float>{0, 0, 1, 0}));
  EXPECT_TRUE(std::isnan(relu(from({NAN})).item()));
}

TEST_P(ElementwiseEdges, GeluKeepsItsNegativeTail) {
  for (const float x : {-3.0F, -5.0F, -7.5F, -10.0F}) {
    const double phi = 0.5 * std::erfc(-x / std::sqrt(2.0));
    const double slope = phi + x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI);
    EXPECT_NEAR(gelu(from({x})).item() / (x * phi), 1.0, 2e-5) << x;
    EXPECT_NEAR(gradient(&gelu, {x})[0] / slope, 1.0, 2e-4) << x;
  }
  EXPECT_EQ(gradient(&mish, {1e20F, -1e20F, 0.0F}), (std::vector<float>{1.0F, 0.0F, 0.6F}));
  EXPECT_EQ(gelu(from({1e20F, -1e20F})).to_vector<float>(), (std::vector<float>{1e20F, 0.0F}));
  EXPECT_EQ(gradient(&gelu, {1e20F, -1e20F}), (std::vector<float>{1.0F, 0.0F}));
}

TEST_P(ElementwiseEdges, AnInputUsedTwiceGetsBothGradients) {
  EXPECT_EQ(gradient([](const Tensor& x) { return multiply(x, x); }, {3.0F, -2.0F}),
            (std::vector<float>{6, -4}));
  EXPECT_EQ(gradient([](const Tensor& x) { return subtract(add(x, x), x); }, {3.0F}),
            (std::vector<float>{1}));
}

TEST_P(ElementwiseEdges, EmptyIsValid) {
  const Tensor x = Tensor::empty({0, 3}, {.device = GetParam()});
  EXPECT_EQ(gelu(add(x, relu(x))).shape(), (Shape{0, 3}));
}

TEST_P(ElementwiseEdges, DropoutKeepsTheMeanAndItsGradientUsesTheSameMask) {
  const RandomKey key{.seed = 3, .purpose = Purpose::dropout, .step = 5};
  Tensor x = Tensor::full({10007}, 2.0F, {.device = GetParam()});
  x.set_requires_grad(true);
  const Tensor y = dropout(x, 0.3F, key);
  double sum = 0.0;
  for (const float v : y.to_vector<float>()) sum += v;
  EXPECT_NEAR(sum / 10007, 2.0, 0.05);
  tape::backward(y, Tensor::full(y.shape(), 2.0F, y.options()));
  EXPECT_EQ(x.grad().to_vector<float>(), y.to_vector<float>());
  EXPECT_EQ(dropout(x, 0.3F, key).to_vector<float>(), y.to_vector<float>());
  RandomKey other = key;
  other.step = 6;
  EXPECT_NE(dropout(x, 0.3F, other).to_vector<float>(), y.to_vector<float>());
  EXPECT_EQ(dropout(x, 0.0F, key).to_vector<float>(), x.to_vector<float>());
}

TEST_P(ElementwiseEdges, ErrorsNameTheOpAndBothSides) {
  const Tensor x = Tensor::zeros({2, 3}, {.device = GetParam()});
  EXPECT_THAT(
      [&] {
        add(x, Tensor::zeros({3, 2}, x.options()));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("add: (2, 3) f32 and (3, 2) f32")));
  EXPECT_THAT([&] { multiply(x, cast(x, DType::bf16)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("multiply: (2, 3) f32 and (2, 3) bf16")));
  EXPECT_THAT([&] { relu(Tensor()); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("relu: an undefined tensor")));
  EXPECT_THAT([&] { gelu(Tensor::zeros({2}, {.dtype = DType::i64, .device = GetParam()})); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("gelu: got (2) i64, need f32 or bf16")));
  EXPECT_THAT([&] { cast(x, DType::u8); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("cast: element type u8")));
  EXPECT_THAT([&] { dropout(x, 1.0F, {}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("probability 1.0")));
  EXPECT_THAT([&] { dropout(x, NAN, {}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("probability nan")));
}

INSTANTIATE_TEST_SUITE_P(Devices, ElementwiseEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
