#include <gmock/gmock.h>

#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/group_norm.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

// N, P, C, G
using Case = std::tuple<Device, std::vector<std::int64_t>>;
struct GroupNormOpTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  std::int64_t samples = std::get<1>(GetParam())[0];
  std::int64_t positions = std::get<1>(GetParam())[1];
  std::int64_t channels = std::get<1>(GetParam())[2];
  std::int64_t groups = std::get<1>(GetParam())[3];

  Values definition(const Values& x, const Values& gamma, const Values& beta) const {
    const std::int64_t each = channels / groups;
    Values y(x.size());
    const auto at = [&](std::int64_t n, std::int64_t p, std::int64_t c) {
      return static_cast<std::size_t>((n * positions + p) * channels + c);
    };
    for (std::int64_t n = 0; n < samples; ++n) {
      for (std::int64_t g = 0; g < groups; ++g) {
        double sum = 0.0;
        double squares = 0.0;
        for (std::int64_t p = 0; p < positions; ++p) {
          for (std::int64_t c = g * each; c < (g + 1) * each; ++c) sum += x[at(n, p, c)];
        }
        const double mean = sum / static_cast<double>(positions * each);
        for (std::int64_t p = 0; p < positions; ++p) {
          for (std::int64_t c = g * each; c < (g + 1) * each; ++c)
            squares += std::pow(x[at(n, p, c)] - mean, 2);
        }
        const double deviation = std::sqrt(squares / static_cast<double>(positions * each) + 1e-5);
        for (std::int64_t p = 0; p < positions; ++p) {
          for (std::int64_t c = g * each; c < (g + 1) * each; ++c) {
            const auto k = static_cast<std::size_t>(c);
            y[at(n, p, c)] = gamma[k] * (x[at(n, p, c)] - mean) / deviation + beta[k];
          }
        }
      }
    }
    return y;
  }
};

TEST_P(GroupNormOpTest, MatchesTheDefinitionWithEveryGradient) {
  OpCase c;
  c.inputs = {normal_input({samples, positions, channels}, 1), normal_input({channels}, 2),
              normal_input({channels}, 3)};
  c.op = [&](const std::vector<Tensor>& in) { return group_norm(in[0], in[1], in[2], {.groups = groups}); };
  c.definition = [&](const std::vector<Values>& in) { return definition(in[0], in[1], in[2]); };
  EXPECT_TRUE(test::matches_definition(device, c));
}

// No group of two entries: they become +-1 whatever they are, and the slope that is left is rounding.
INSTANTIATE_TEST_SUITE_P(Sizes, GroupNormOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(std::vector<std::int64_t>{1, 2, 2, 1},
                                                          std::vector<std::int64_t>{2, 9, 6, 3},
                                                          std::vector<std::int64_t>{3, 4, 8, 1},
                                                          std::vector<std::int64_t>{2, 7, 5, 5},
                                                          std::vector<std::int64_t>{2, 33, 64, 32})));

struct GroupNormEdges : testing::TestWithParam<Device> {};

// A sample's result is its own: the same bits beside another, and none of another sample's NaN.
TEST_P(GroupNormEdges, SamplesDoNotMeet) {
  const Tensor gamma = Tensor::full({4}, 2.0F, {.device = GetParam()});
  const Tensor beta = Tensor::full({4}, 0.5F, {.device = GetParam()});
  const Tensor pair = Tensor::from<float>(
      std::vector<float>{1, 2, 3, 4, 5, 6, 7, 9, NAN, 1, 1, 1, 1, 1, 1, 1}, {2, 1, 2, 4}, GetParam());
  const auto both = group_norm(pair, gamma, beta, {.groups = 2}).to_vector<float>();
  const auto alone = group_norm(pair.rows(0, 1), gamma, beta, {.groups = 2}).to_vector<float>();
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(both[i], alone[i]);
  EXPECT_TRUE(std::isnan(both[8]));
  EXPECT_FALSE(std::isnan(both[10]));  // the other group of the bad sample
  // By hand: group {1, 2, 5, 6} has mean 3.5 and variance 4.25.
  EXPECT_NEAR(alone[0], 2.0 * (1.0 - 3.5) / std::sqrt(4.25 + 1e-5) + 0.5, 1e-5);
}

TEST_P(GroupNormEdges, KeepsBf16AndTakesAnEmptyBatch) {
  const Tensor gamma = Tensor::full({4}, 1.0F, {.device = GetParam()});
  const Tensor beta = Tensor::zeros({4}, {.device = GetParam()});
  const Tensor x = Tensor::zeros({2, 3, 3, 4}, {.dtype = DType::bf16, .device = GetParam()});
  EXPECT_EQ(group_norm(x, gamma, beta, {.groups = 2}).dtype(), DType::bf16);
  const Tensor none = Tensor::zeros({0, 3, 3, 4}, {.device = GetParam()});
  EXPECT_EQ(group_norm(none, gamma, beta, {.groups = 2}).shape(), none.shape());
}

TEST_P(GroupNormEdges, WhatDoesNotFitIsRefused) {
  const Tensor x = Tensor::zeros({2, 3, 6}, {.device = GetParam()});
  const Tensor six = Tensor::zeros({6}, {.device = GetParam()});
  const Tensor four = Tensor::zeros({4}, {.device = GetParam()});
  const auto refused = [](const auto& call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(text)));
  };
  refused([&] { group_norm(x, six, six, {.groups = 4}); }, "x (2, 3, 6) in 4 groups");
  refused([&] { group_norm(x, six, six, {.groups = 0}); }, "in 0 groups");
  refused([&] { group_norm(x, four, six, {.groups = 2}); }, "gamma (4), beta (6)");
  refused([&] { group_norm(six, six, six, {.groups = 2}); }, "need (N, ..., C)");
}

INSTANTIATE_TEST_SUITE_P(Devices, GroupNormEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
