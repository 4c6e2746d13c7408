#include "models/mlp.h"

#include <gmock/gmock.h>

#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using models::Mlp;
using models::MlpOptions;

std::vector<std::string> names(const MlpOptions& options) {
  nn::StateList list;
  Mlp(options).list_state(list);
  std::vector<std::string> found;
  for (const nn::StateEntry& e : list.parameters()) found.push_back(e.name);
  return found;
}

TEST(MlpTest, NamesCountAsTorchsSequential) {
  EXPECT_EQ(names({.widths = {4, 8, 6, 2}}),
            (std::vector<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias",
                                      "6.weight", "6.bias"}));
  EXPECT_EQ(names({.widths = {4, 8, 2}, .hidden_norm = false, .hidden_bias = true}),
            (std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"}));
  EXPECT_EQ(names({.widths = {4, 2}, .output_bias = false, .output_norm = true, .output_norm_affine = false}),
            (std::vector<std::string>{"0.weight"}));
}

struct MlpForward : testing::TestWithParam<Device> {};

TEST_P(MlpForward, IsLinearReluLinearOfItsWeights) {
  const MlpOptions options{
      .widths = {2, 3, 1}, .hidden_norm = false, .hidden_bias = true, .device = GetParam()};
  const Mlp mlp(options);
  nn::StateList list;
  mlp.list_state(list);
  list.find("0.weight")->tensor.copy_from(Tensor::from<float>({1, 0, 0, 1, -1, -1}, {3, 2}));
  list.find("0.bias")->tensor.copy_from(Tensor::from<float>({0, -10, 5}, {3}));
  list.find("2.weight")->tensor.copy_from(Tensor::from<float>({1, 2, 3}, {1, 3}));
  list.find("2.bias")->tensor.copy_from(Tensor::from<float>({0.5F}, {1}));
  const Tensor y = mlp.forward(Tensor::from<float>({1, 2, 4, 20}, {2, 2}, GetParam()), true);
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{1 + 3 * 2 + 0.5F, 4 + 2 * 10 + 0.5F}));
}

TEST_P(MlpForward, OutputNormCentresTheOutput) {
  const Mlp mlp({.widths = {5, 16, 3}, .output_norm = true, .device = GetParam()});
  const test::Matrix x = test::normal(64, 5, 1);
  const Tensor batch =
      Tensor::from(std::vector<float>(x.values().begin(), x.values().end()), {64, 5}, GetParam());
  const std::vector<float> y = mlp.forward(batch, true).to_vector<float>();
  double mean = 0.0;
  double squares = 0.0;
  for (std::size_t i = 1; i < y.size(); i += 3) {
    mean += y[i] / 64.0;
    squares += static_cast<double>(y[i]) * y[i] / 64.0;
  }
  EXPECT_NEAR(mean, 0.0, 1e-5);
  EXPECT_NEAR(squares, 1.0, 1e-2);
}

// One hidden unit: y = w2 gelu(w1 x), gelu(2) = 2 Phi(2) = 1.95449974.
TEST_P(MlpForward, TakesGelu) {
  const Mlp mlp({.widths = {1, 1, 1},
                 .hidden_norm = false,
                 .activation = models::Activation::gelu,
                 .device = GetParam()});
  nn::StateList list;
  mlp.list_state(list);
  list.find("0.weight")->tensor.copy_from(Tensor::full({1, 1}, 0.5F));
  list.find("2.weight")->tensor.copy_from(Tensor::full({1, 1}, 10.0F));
  list.find("2.bias")->tensor.fill_zero();
  const Tensor x = Tensor::full({1, 1}, 4.0F, {.device = GetParam()});
  EXPECT_NEAR(mlp.forward(x, true).item(), 19.5449974, 1e-5);
}

TEST_P(MlpForward, NormalWeightsHaveTheirDeviationAndBiasesAreZero) {
  const Mlp mlp({.widths = {200, 100, 50},
                 .hidden_norm = false,
                 .hidden_bias = true,
                 .weight_deviation = 0.02,
                 .device = GetParam()});
  nn::StateList list;
  mlp.list_state(list);
  for (const nn::StateEntry& entry : list.parameters()) {
    double squares = 0.0;
    for (const float value : entry.tensor.to_vector<float>()) squares += double{value} * value;
    const double deviation = std::sqrt(squares / static_cast<double>(entry.tensor.numel()));
    EXPECT_NEAR(deviation, entry.role == nn::Role::bias ? 0.0 : 0.02, 1e-3) << entry.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, MlpForward, testing::ValuesIn(test::devices()));

TEST(MlpTest, RefusesWidthsThatMakeNoLayer) {
  EXPECT_THAT([] { Mlp({.widths = {4}}); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("1 widths, need >= 2")));
  EXPECT_THAT(
      [] {
        Mlp({.widths = {4, 0, 2}});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("a layer of width 0")));
}

}  // namespace
}  // namespace nagare
