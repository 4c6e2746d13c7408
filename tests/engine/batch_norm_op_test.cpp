#include <gmock/gmock.h>

#include "engine/ops/batch_norm.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::Values;

constexpr std::int64_t kRows = 42;
constexpr std::int64_t kChannels = 19;

Values definition(const std::vector<Values>& in, bool affine, bool relu) {
  Values y(in[0].size());
  for (std::size_t c = 0; c < kChannels; ++c) {
    double mean = 0.0;
    double var = 0.0;
    for (std::size_t i = c; i < y.size(); i += kChannels) mean += in[0][i] / kRows;
    for (std::size_t i = c; i < y.size(); i += kChannels)
      var += (in[0][i] - mean) * (in[0][i] - mean) / kRows;
    for (std::size_t i = c; i < y.size(); i += kChannels) {
      const double xhat = (in[0][i] - mean) / std::sqrt(var + 1e-5);
      const double h = (affine ? xhat * in[2][c] + in[3][c] : xhat) + in[1][i];
      y[i] = relu ? std::max(h, 0.0) : h;
    }
  }
  return y;
}

struct BatchNormOpTest : testing::TestWithParam<std::tuple<Device, bool, bool, DType>> {};

TEST_P(BatchNormOpTest, MatchesTheDefinitionWithResidual) {
  const auto& [device, affine, relu, dtype] = GetParam();
  const Shape shape{2, 3, 7, kChannels};
  test::OpCase c;
  c.inputs = {normal_input(shape, 10, dtype), normal_input(shape, 11, dtype)};
  if (affine) c.inputs.insert(c.inputs.end(), {normal_input({kChannels}, 12), normal_input({kChannels}, 13)});
  c.op = [affine = affine, relu = relu](const std::vector<Tensor>& t) {
    const BatchNormState state{affine ? t[2] : Tensor(), affine ? t[3] : Tensor(), {}, {}};
    return batch_norm(t[0], state, {.training = true, .relu = relu}, t[1]);
  };
  c.definition = [affine = affine, relu = relu](const std::vector<Values>& in) {
    return definition(in, affine, relu);
  };
  c.step = 1e-7;
  if (dtype == DType::bf16) c.tolerance = 0.01;
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Variants, BatchNormOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Bool(),
                                          testing::Bool(), testing::Values(DType::f32, DType::bf16)));

TEST(BatchNormOpErrors, NameWhatIsWrong) {
  const Tensor x = Tensor::zeros({4, 3});
  const Tensor three = Tensor::zeros({3});
  const Tensor four = Tensor::zeros({4});
  const auto run = [&](const BatchNormState& state, bool training, const Tensor& residual = {}) {
    return [=] { batch_norm(x, state, {.training = training}, residual); };
  };
  EXPECT_THAT(run({four, four, {}, {}}, true),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("gamma (4) f32, x (4, 3)")));
  EXPECT_THAT(run({three, {}, {}, {}}, true),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("pairs")));
  EXPECT_THAT(run({three, three, {}, {}}, false),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("running_mean")));
  EXPECT_THAT(run({three, three, {}, {}}, true, four),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("residual (4)")));
  EXPECT_THAT(
      [] {
        batch_norm(Tensor::zeros({1, 3}), {}, {.training = true});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("use a larger batch")));
}

}  // namespace
}  // namespace nagare
