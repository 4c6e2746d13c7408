#include <gmock/gmock.h>

#include "engine/ops/attention.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;

struct AttentionOpTest : testing::TestWithParam<std::tuple<Device, DType>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
};

// More keys than queries, odd everywhere.
constexpr std::size_t kHeads = 6;  // of all samples
constexpr std::size_t kQueries = 5;
constexpr std::size_t kKeys = 7;
constexpr std::size_t kDim = 3;

Values definition(const std::vector<Values>& in) {
  Values y(kHeads * kQueries * kDim, 0.0);
  for (std::size_t h = 0; h < kHeads; ++h) {
    for (std::size_t i = 0; i < kQueries; ++i) {
      Values weight(kKeys, 0.0);
      double sum = 0.0;
      for (std::size_t j = 0; j < kKeys; ++j) {
        for (std::size_t d = 0; d < kDim; ++d) {
          weight[j] += in[0][(h * kQueries + i) * kDim + d] * in[1][(h * kKeys + j) * kDim + d];
        }
        sum += weight[j] = std::exp(weight[j] / std::sqrt(static_cast<double>(kDim)));
      }
      for (std::size_t j = 0; j < kKeys; ++j) {
        for (std::size_t d = 0; d < kDim; ++d) {
          y[(h * kQueries + i) * kDim + d] += weight[j] / sum * in[2][(h * kKeys + j) * kDim + d];
        }
      }
    }
  }
  return y;
}

TEST_P(AttentionOpTest, MatchesTheDefinition) {
  OpCase c;
  const auto queries = static_cast<std::int64_t>(kQueries);
  const auto keys = static_cast<std::int64_t>(kKeys);
  const auto dim = static_cast<std::int64_t>(kDim);
  c.inputs = {normal_input({2, 3, queries, dim}, 1, dtype), normal_input({2, 3, keys, dim}, 2, dtype),
              normal_input({2, 3, keys, dim}, 3, dtype)};
  c.op = [](const std::vector<Tensor>& in) { return scaled_dot_product_attention(in[0], in[1], in[2]); };
  c.definition = &definition;
  c.tolerance =
      2 * test::tolerance_of(dtype, 1e-5);  // in bf16 scores and weights are rounded on the way, too
  EXPECT_TRUE(test::matches_definition(device, c));
}

TEST_P(AttentionOpTest, ErrorsNameTheShapes) {
  const TensorOptions options{.dtype = dtype, .device = device};
  const Tensor q = Tensor::zeros({2, 3, 5, 4}, options);
  const Tensor k = Tensor::zeros({2, 1, 5, 4}, options);
  EXPECT_THAT([&] { scaled_dot_product_attention(q, k, k); },
              testing::ThrowsMessage<std::invalid_argument>(
                  testing::HasSubstr("q (2, 3, 5, 4), k and v (2, 1, 5, 4): need (B, heads, T, d)")));
  EXPECT_THAT(
      [&] { scaled_dot_product_attention(q, q, k); },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("need the same shape and type")));
}

INSTANTIATE_TEST_SUITE_P(Types, AttentionOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace nagare
