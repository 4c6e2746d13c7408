#include "engine/ops/matmul.h"

#include <gmock/gmock.h>

#include "engine/ops/linear.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::Values;

struct Sizes {
  std::int64_t batch, m, n, k;
};

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.batch << " of " << s.m << "x" << s.k << " by " << s.k << "x" << s.n;
}

Values product(const Sizes& s, const Matmul& options, const Values& a, const Values& b) {
  Values c;
  for (std::int64_t i = 0; i < s.batch; ++i) {
    for (std::int64_t row = 0; row < s.m; ++row) {
      for (std::int64_t col = 0; col < s.n; ++col) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < s.k; ++k) {
          const std::int64_t at_a = i * s.m * s.k + (options.transpose_a ? k * s.m + row : row * s.k + k);
          const std::int64_t at_b = i * s.k * s.n + (options.transpose_b ? col * s.k + k : k * s.n + col);
          sum += a[static_cast<std::size_t>(at_a)] * b[static_cast<std::size_t>(at_b)];
        }
        c.push_back(sum);
      }
    }
  }
  return c;
}

constexpr Sizes kSizes[] = {{1, 1, 1, 1}, {1, 2, 5, 3}, {3, 7, 13, 11}, {2, 64, 33, 17}, {1, 100, 257, 64}};

struct MatmulTest : testing::TestWithParam<std::tuple<Device, Sizes, bool, bool, DType>> {};

TEST_P(MatmulTest, MatchesTheDefinition) {
  const auto& [device, s, ta, tb, dtype] = GetParam();
  const Matmul options{.transpose_a = ta, .transpose_b = tb};
  test::OpCase c;
  c.inputs = {normal_input(ta ? Shape{s.batch, s.k, s.m} : Shape{s.batch, s.m, s.k}, 10, dtype),
              normal_input(tb ? Shape{s.batch, s.n, s.k} : Shape{s.batch, s.k, s.n}, 11, dtype)};
  c.op = [options](const std::vector<Tensor>& t) { return matmul(t[0], t[1], options); };
  c.definition = [s = s, options](const std::vector<Values>& in) {
    return product(s, options, in[0], in[1]);
  };
  if (dtype == DType::bf16) c.tolerance = 0.01;
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, MatmulTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kSizes),
                                          testing::Bool(), testing::Bool(),
                                          testing::Values(DType::f32, DType::bf16)));

TEST(MatmulTest, MatricesWithoutABatchAxisAndErrorsByShape) {
  EXPECT_EQ(matmul(Tensor::zeros({2, 3}), Tensor::zeros({3, 5})).shape(), (Shape{2, 5}));
  EXPECT_EQ(matmul(Tensor::zeros({4, 2, 2, 3}), Tensor::zeros({4, 2, 3, 5})).shape(), (Shape{4, 2, 2, 5}));
  EXPECT_THAT(
      [] {
        matmul(Tensor::zeros({2, 3}), Tensor::zeros({4, 5}));
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("a (2, 3) f32, b (4, 5) f32")));
  EXPECT_THROW(matmul(Tensor::zeros({2, 2, 3}), Tensor::zeros({3, 3, 5})), std::invalid_argument);
  EXPECT_THROW(matmul(Tensor::zeros({2, 3}), Tensor::zeros({3, 5}, {.dtype = DType::bf16})),
               std::invalid_argument);
}

struct LinearTest : testing::TestWithParam<std::tuple<Device, Sizes, bool, DType>> {};

TEST_P(LinearTest, MatchesTheDefinition) {
  const auto& [device, s, with_bias, dtype] = GetParam();
  test::OpCase c;
  c.inputs = {normal_input({s.batch, s.m, s.k}, 10, dtype), normal_input({s.n, s.k}, 11)};
  if (with_bias) c.inputs.push_back(normal_input({s.n}, 12));
  c.op = [bias = with_bias](const std::vector<Tensor>& t) {
    return linear(t[0], t[1], bias ? t[2] : Tensor());
  };
  c.definition = [s = s, bias = with_bias](const std::vector<Values>& in) {
    Values y = product({1, s.batch * s.m, s.n, s.k}, {.transpose_b = true}, in[0], in[1]);
    for (std::size_t i = 0; bias && i < y.size(); ++i) y[i] += in[2][i % static_cast<std::size_t>(s.n)];
    return y;
  };
  if (dtype == DType::bf16) c.tolerance = 0.02;
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, LinearTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::ValuesIn(kSizes),
                                          testing::Bool(), testing::Values(DType::f32, DType::bf16)));

TEST(LinearErrors, NameBothShapes) {
  EXPECT_THAT(
      [] {
        linear(Tensor::zeros({2, 3}), Tensor::zeros({4, 5}), {});
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("x (2, 3), weight (4, 5)")));
  EXPECT_THAT(
      [] {
        linear(Tensor::zeros({2, 5}), Tensor::zeros({4, 5}), Tensor::zeros({5}));
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("bias (5)")));
}

}  // namespace
}  // namespace nagare
