#include "kernels/unary.h"

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/bf16_twin.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using kernels::UnaryFunction;
using test::Values;

struct Definition {
  UnaryFunction function;
  const char* name;
  double (*value)(double);
  double (*slope)(double);  // of x
};
void PrintTo(const Definition& d, std::ostream* out) { *out << d.name; }

double cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI); }

const Definition kDefinitions[] = {
    {UnaryFunction::relu, "relu", [](double x) { return x > 0 ? x : 0.0; },
     [](double x) { return x > 0 ? 1.0 : 0.0; }},
    {UnaryFunction::gelu, "gelu", [](double x) { return x * cdf(x); },
     [](double x) { return cdf(x) + x * density(x); }},
    {UnaryFunction::mish, "mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); },
     [](double x) {
       const double t = std::tanh(std::log1p(std::exp(x)));
       return t + x * (1.0 - t * t) / (1.0 + std::exp(-x));
     }},
    {UnaryFunction::exp, "exp", [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); }},
    {UnaryFunction::log, "log", [](double x) { return std::log(x); }, [](double x) { return 1.0 / x; }},
    {UnaryFunction::square, "square", [](double x) { return x * x; }, [](double x) { return 2.0 * x; }},
    {UnaryFunction::sqrt, "sqrt", [](double x) { return std::sqrt(x); },
     [](double x) { return 0.5 / std::sqrt(x); }},
};

struct UnaryTest : testing::TestWithParam<std::tuple<Device, Definition, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  Definition d = std::get<1>(GetParam());
  std::int64_t n = std::get<2>(GetParam());
};

TEST_P(UnaryTest, MatchesTheDefinitionInPlaceAndOutOfPlace) {
  const kernels::Unary p{.function = d.function, .n = n};
  const bool positive = d.function == UnaryFunction::log || d.function == UnaryFunction::sqrt;
  const test::OpInput input = positive ? test::positive_input({n}, 1) : test::normal_input({n}, 1);
  const Values upstream = test::normal_values(n, 2);
  Values want;
  Values want_gradient;
  for (std::size_t i = 0; i < input.values.size(); ++i) {
    want.push_back(d.value(input.values[i]));
    want_gradient.push_back(upstream[i] * d.slope(input.values[i]));
  }
  const Tensor x = test::to_tensor(input.values, {n}, DType::f32, device);
  const Tensor dy = test::to_tensor(upstream, {n}, DType::f32, device);
  const Tensor y = empty_like(x);
  const Tensor dx = empty_like(x);
  NAGARE_DISPATCH(device, unary(p, x.data<float>(), y.data<float>(), x.stream()));
  const Tensor saved = (saves_output(d.function) ? y : x).clone();
  NAGARE_DISPATCH(device,
                  unary_backward(p, saved.data<float>(), dy.data<float>(), dx.data<float>(), x.stream()));
  EXPECT_TRUE(test::near_values(test::to_values(y), want, 1e-6));
  EXPECT_TRUE(test::near_values(test::to_values(dx), want_gradient, 2e-6));
  NAGARE_DISPATCH(device, unary(p, x.data<float>(), x.data<float>(), x.stream()));
  NAGARE_DISPATCH(device,
                  unary_backward(p, saved.data<float>(), dy.data<float>(), dy.data<float>(), x.stream()));
  EXPECT_EQ(test::to_values(x), test::to_values(y));
  EXPECT_EQ(test::to_values(dy), test::to_values(dx));
}

template <class T>
std::pair<Tensor, Tensor> value_and_gradient(Device device, const kernels::Unary& p, const Values& x_values,
                                             const Values& saved_values, const Values& dy_values) {
  const auto tensor = [&](const Values& v) { return test::to_tensor(v, {p.n}, kDTypeOf<T>, device); };
  const Tensor x = tensor(x_values);
  const Tensor saved = tensor(saved_values);
  const Tensor dy = tensor(dy_values);
  const Tensor y = empty_like(x);
  const Tensor dx = empty_like(x);
  NAGARE_DISPATCH(device, unary(p, x.data<T>(), y.data<T>(), x.stream()));
  NAGARE_DISPATCH(device, unary_backward(p, saved.data<T>(), dy.data<T>(), dx.data<T>(), x.stream()));
  return {y, dx};
}

TEST_P(UnaryTest, InBf16) {
  const kernels::Unary p{.function = d.function, .n = n};
  const test::OpInput input = test::positive_input({n}, 1, DType::bf16);  // also stands for what was saved
  const Values upstream = test::normal_values(n, 2, DType::bf16);
  const auto narrow = value_and_gradient<bf16>(device, p, input.values, input.values, upstream);
  const auto wide = value_and_gradient<float>(device, p, input.values, input.values, upstream);
  EXPECT_TRUE(test::rounds_to(narrow.first, wide.first, 1e-6));
  EXPECT_TRUE(test::rounds_to(narrow.second, wide.second, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Functions, UnaryTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kDefinitions),
                                          testing::Values(0, 1, 2, 31, 257, 16411)));

struct UnaryEdges : testing::TestWithParam<Device> {
  float at(UnaryFunction function, float x) const {
    const Tensor t = Tensor::full({}, x, {.device = GetParam()});
    NAGARE_DISPATCH(GetParam(),
                    unary({.function = function, .n = 1}, t.data<float>(), t.data<float>(), t.stream()));
    return static_cast<float>(t.item());
  }
};

TEST_P(UnaryEdges, SpecialValues) {
  for (const Definition& d : kDefinitions) EXPECT_TRUE(std::isnan(at(d.function, NAN))) << d.name;
  EXPECT_EQ(at(UnaryFunction::log, 0.0F), -INFINITY);
  EXPECT_TRUE(std::isnan(at(UnaryFunction::log, -1.0F)));
  EXPECT_TRUE(std::isnan(at(UnaryFunction::sqrt, -1.0F)));
  EXPECT_TRUE(std::isnan(at(UnaryFunction::gelu, -INFINITY)));
  EXPECT_EQ(at(UnaryFunction::gelu, INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(at(UnaryFunction::mish, -INFINITY)));
  EXPECT_EQ(at(UnaryFunction::mish, INFINITY), INFINITY);
  for (const float x : {-80.0F, -20.0F, -1e-3F, 1e-3F, 20.0F, 1e20F}) {
    const double want = x * std::tanh(std::log1p(std::exp(std::min(double{x}, 700.0))));
    EXPECT_NEAR(at(UnaryFunction::mish, x) / want, 1.0, 1e-6) << x;
  }
  EXPECT_EQ(at(UnaryFunction::mish, -1e20F), 0.0F);
  EXPECT_EQ(at(UnaryFunction::exp, 1000.0F), INFINITY);
  EXPECT_EQ(at(UnaryFunction::exp, -1000.0F), 0.0F);
}

INSTANTIATE_TEST_SUITE_P(Devices, UnaryEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
