#include <gmock/gmock.h>

#include "engine/ops/layer_norm.h"
#include "engine/ops/normalize.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

using Case = std::tuple<Device, std::int64_t, std::int64_t, double>;
struct L2NormalizeOpTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  std::int64_t rows = std::get<1>(GetParam());
  std::int64_t cols = std::get<2>(GetParam());
  double magnitude = std::get<3>(GetParam());
};

TEST_P(L2NormalizeOpTest, MatchesTheDefinition) {
  OpCase c;
  c.inputs = {normal_input({rows, cols}, 1)};
  for (double& v : c.inputs[0].values) v = test::rounded(v * magnitude, DType::f32);
  c.op = [](const std::vector<Tensor>& in) { return l2_normalize(in[0]); };
  c.definition = [&](const std::vector<Values>& in) {
    Values y;
    for (std::int64_t r = 0; r < rows; ++r) {
      double squares = 0.0;
      for (std::int64_t c2 = 0; c2 < cols; ++c2)
        squares += std::pow(in[0][static_cast<std::size_t>(r * cols + c2)], 2);
      for (std::int64_t c2 = 0; c2 < cols; ++c2) {
        y.push_back(in[0][static_cast<std::size_t>(r * cols + c2)] / std::sqrt(squares));
      }
    }
    return y;
  };
  c.step = 1e-5 * magnitude;
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, L2NormalizeOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(1, 7),
                                          testing::Values(2, 13, 257), testing::Values(1.0, 1e4, 1e-5)));

struct NormalizeEdges : testing::TestWithParam<Device> {
  TensorOptions options{.device = GetParam()};
};

TEST_P(NormalizeEdges, BelowEpsilonTheDivisorIsAConstant) {
  Tensor x = Tensor::from<float>(std::vector<float>{0, 0, 3e-13F, -4e-13F, 3, 4}, {3, 2}, GetParam());
  x.set_requires_grad(true);
  const Tensor y = l2_normalize(x);
  const std::vector<float> got = y.to_vector<float>();
  EXPECT_EQ(got[0], 0.0F);
  EXPECT_NEAR(got[2], 0.3, 1e-6);
  EXPECT_NEAR(got[3], -0.4, 1e-6);
  EXPECT_NEAR(got[4], 0.6, 1e-6);
  tape::backward(y, Tensor::from<float>(std::vector<float>{1, -2, 1, -2, 1, -2}, {3, 2}, GetParam()));
  const std::vector<float> gradient = x.grad().to_vector<float>();
  EXPECT_NEAR(gradient[0] / 1e12, 1.0, 1e-6);
  EXPECT_NEAR(gradient[1] / 1e12, -2.0, 1e-6);
  EXPECT_NEAR(gradient[2] / 1e12, 1.0, 1e-6);
  EXPECT_NEAR(gradient[4], (1.0 - 0.6 * -1.0) / 5.0, 1e-6);
}

TEST_P(NormalizeEdges, HugeAndTinyRowsNeitherOverflowNorVanish) {
  const Tensor x = Tensor::from<float>(std::vector<float>{3e30F, 4e30F, 3e-8F, 4e-8F}, {2, 2}, GetParam());
  EXPECT_TRUE(test::near_values(test::to_values(l2_normalize(x)), {0.6, 0.8, 0.6, 0.8}, 1e-6));
  const Tensor small = Tensor::from<float>(std::vector<float>{3e-25F, 4e-25F}, {1, 2}, GetParam());
  EXPECT_TRUE(test::near_values(test::to_values(l2_normalize(small, 1e-30F)), {0.6, 0.8}, 1e-6));
}

TEST_P(NormalizeEdges, ErrorsNameWhatTheyGot) {
  const Tensor x = Tensor::zeros({2, 3}, options);
  EXPECT_THAT([&] { l2_normalize(x, NAN); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("l2_normalize: shape (2, 3), epsilon nan")));
  const Tensor gamma = Tensor::zeros({3}, options);
  EXPECT_THAT([&] { layer_norm(x, gamma, Tensor::zeros({2}, options), 1e-5F); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("layer_norm: (3) f32 and (2) f32")));
  EXPECT_THAT(
      [&] {
        layer_norm(Tensor::zeros({2, 4}, options), gamma, gamma, 1e-5F);
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("layer_norm: x (2, 4), gamma (3)")));
  EXPECT_THAT([&] { layer_norm(x, gamma, gamma, 0.0F); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("epsilon 0.0")));
}

INSTANTIATE_TEST_SUITE_P(Devices, NormalizeEdges, testing::ValuesIn(test::devices()));

using LayerNormCase = std::tuple<Device, DType, std::int64_t, std::int64_t, double>;
struct LayerNormOpTest : testing::TestWithParam<LayerNormCase> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  std::int64_t rows = std::get<2>(GetParam());
  std::int64_t cols = std::get<3>(GetParam());
  double mean = std::get<4>(GetParam());
};

TEST_P(LayerNormOpTest, MatchesTheDefinition) {
  OpCase c;
  c.inputs = {normal_input({rows, cols}, 1, dtype), normal_input({cols}, 2), normal_input({cols}, 3)};
  for (double& v : c.inputs[0].values) v = test::rounded(v + mean, dtype);
  c.op = [](const std::vector<Tensor>& in) { return layer_norm(in[0], in[1], in[2], 1e-5F); };
  c.definition = [&](const std::vector<Values>& in) {
    Values y;
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* x = &in[0][static_cast<std::size_t>(r * cols)];
      double m = 0.0;
      double v = 0.0;
      for (std::int64_t k = 0; k < cols; ++k) m += x[k] / static_cast<double>(cols);
      for (std::int64_t k = 0; k < cols; ++k) v += (x[k] - m) * (x[k] - m) / static_cast<double>(cols);
      for (std::int64_t k = 0; k < cols; ++k) {
        const auto i = static_cast<std::size_t>(k);
        y.push_back((x[k] - m) / std::sqrt(v + 1e-5F) * in[1][i] + in[2][i]);
      }
    }
    return y;
  };
  c.tolerance = test::tolerance_of(dtype, mean == 0.0 ? 1e-5 : 1e-4);  // the saved mean is rounded to f32
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, LayerNormOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(1, 7, 523), testing::Values(5, 33, 192),
                                          testing::Values(0.0)));
INSTANTIATE_TEST_SUITE_P(LargeMean, LayerNormOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(DType::f32),
                                          testing::Values(4), testing::Values(24), testing::Values(1000.0)));

}  // namespace
}  // namespace nagare
