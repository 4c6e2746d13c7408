#include <gmock/gmock.h>

#include "engine/ops/broadcast.h"
#include "engine/ops/reduce.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Sizes of (R, C): 1, primes, a warp and its neighbours, more than a panel of columns and a block of rows.
struct Size {
  std::int64_t rows;
  std::int64_t cols;
};
void PrintTo(const Size& s, std::ostream* out) { *out << s.rows << "x" << s.cols; }

using Case = std::tuple<Device, DType, Size>;
struct MatrixOpTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  std::int64_t rows = std::get<2>(GetParam()).rows;
  std::int64_t cols = std::get<2>(GetParam()).cols;

  double at(const Values& x, std::int64_t r, std::int64_t c) const {
    return x[static_cast<std::size_t>(r * cols + c)];
  }

  void check(OpCase c) const {
    c.tolerance = test::tolerance_of(dtype);
    EXPECT_TRUE(test::matches_definition(device, c));
  }

  // Reduced to `outputs` numbers, element (r, c) into `slot`, times `factor`.
  void check_reduction(Tensor (*op)(const Tensor&), std::int64_t outputs,
                       const std::function<std::int64_t(std::int64_t, std::int64_t)>& slot,
                       double factor) const {
    check({.inputs = {normal_input({rows, cols}, 1, dtype)},
           .op = [op](const std::vector<Tensor>& in) { return op(in[0]); },
           .definition =
               [&](const std::vector<Values>& in) {
                 Values y(static_cast<std::size_t>(outputs), 0.0);
                 for (std::int64_t r = 0; r < rows; ++r) {
                   for (std::int64_t c = 0; c < cols; ++c)
                     y[static_cast<std::size_t>(slot(r, c))] += factor * at(in[0], r, c);
                 }
                 return y;
               }});
  }

  // x combined with v of `shape`, the entry for (r, c) being `slot`.
  void check_broadcast(Tensor (*op)(const Tensor&, const Tensor&), std::int64_t n,
                       const std::function<std::int64_t(std::int64_t, std::int64_t)>& slot,
                       bool product) const {
    check({.inputs = {normal_input({rows, cols}, 1, dtype), normal_input({n}, 2)},
           .op = [op](const std::vector<Tensor>& in) { return op(in[0], in[1]); },
           .definition =
               [&](const std::vector<Values>& in) {
                 Values y;
                 for (std::int64_t r = 0; r < rows; ++r) {
                   for (std::int64_t c = 0; c < cols; ++c) {
                     const double v = in[1][static_cast<std::size_t>(slot(r, c))];
                     y.push_back(product ? at(in[0], r, c) * v : at(in[0], r, c) + v);
                   }
                 }
                 return y;
               }});
  }
};

std::int64_t by_row(std::int64_t r, std::int64_t) { return r; }
std::int64_t by_column(std::int64_t, std::int64_t c) { return c; }
std::int64_t all(std::int64_t, std::int64_t) { return 0; }

TEST_P(MatrixOpTest, Sum) { check_reduction(&sum, 1, &all, 1.0); }
TEST_P(MatrixOpTest, Mean) { check_reduction(&mean, 1, &all, 1.0 / static_cast<double>(rows * cols)); }
TEST_P(MatrixOpTest, SumRows) { check_reduction(&sum_rows, cols, &by_column, 1.0); }
TEST_P(MatrixOpTest, MeanRows) {
  check_reduction(&mean_rows, cols, &by_column, 1.0 / static_cast<double>(rows));
}
TEST_P(MatrixOpTest, MeanOuter) {
  check_reduction(&mean_outer, cols, &by_column, 1.0 / static_cast<double>(rows));
}
TEST_P(MatrixOpTest, SumColumns) { check_reduction(&sum_columns, rows, &by_row, 1.0); }
TEST_P(MatrixOpTest, MeanColumns) {
  check_reduction(&mean_columns, rows, &by_row, 1.0 / static_cast<double>(cols));
}

TEST_P(MatrixOpTest, AddRow) { check_broadcast(&add_row, cols, &by_column, false); }
TEST_P(MatrixOpTest, MultiplyRow) { check_broadcast(&multiply_row, cols, &by_column, true); }
TEST_P(MatrixOpTest, AddColumn) { check_broadcast(&add_column, rows, &by_row, false); }
TEST_P(MatrixOpTest, MultiplyColumn) { check_broadcast(&multiply_column, rows, &by_row, true); }

TEST_P(MatrixOpTest, LogSumExp) {
  if (dtype != DType::f32) {
    EXPECT_THAT([&] { log_sum_exp(Tensor::zeros({2}, {.dtype = dtype, .device = device})); },
                ThrowsMessage<std::invalid_argument>(HasSubstr("log_sum_exp: got (2) bf16, need f32")));
    return;
  }
  check({.inputs = {normal_input({rows, cols}, 1)},
         .op = [](const std::vector<Tensor>& in) { return log_sum_exp(in[0]); },
         .definition =
             [&](const std::vector<Values>& in) {
               Values y;
               for (std::int64_t r = 0; r < rows; ++r) {
                 double total = 0.0;
                 for (std::int64_t c = 0; c < cols; ++c) total += std::exp(at(in[0], r, c));
                 y.push_back(std::log(total));
               }
               return y;
             }});
}

INSTANTIATE_TEST_SUITE_P(Sizes, MatrixOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(Size{1, 1}, Size{1, 7}, Size{7, 1}, Size{5, 33},
                                                          Size{2, 521}, Size{1031, 3}, Size{3, 16411},
                                                          Size{2053, 17})));

struct ReduceEdges : testing::TestWithParam<Device> {
  TensorOptions options{.device = GetParam()};
};

TEST_P(ReduceEdges, HigherRanksKeepTheirOtherAxes) {
  const Tensor x = Tensor::full({2, 3, 5}, 1.0F, options);
  EXPECT_EQ(sum_columns(x).shape(), (Shape{2, 3}));
  EXPECT_EQ(sum_rows(x).shape(), (Shape{5}));
  EXPECT_EQ(sum_rows(x).to_vector<float>(), std::vector<float>(5, 6.0F));
  EXPECT_EQ(mean_outer(x).shape(), (Shape{3, 5}));
  EXPECT_EQ(log_sum_exp(x).shape(), (Shape{2, 3}));
  EXPECT_EQ(sum(x).shape(), Shape{});
}

TEST_P(ReduceEdges, MillionsOfEqualNumbersLoseNothing) {
  EXPECT_NEAR(mean(Tensor::full({1 << 22}, 0.1F, options)).item(), 0.1F, 1e-7);
}

TEST_P(ReduceEdges, LogSumExpSurvivesOffsetsAndMasks) {
  const float inf = INFINITY;
  Tensor x = Tensor::from<float>(std::vector<float>{1000, 1001, -1000, -1001, 5, -inf, -inf, -inf}, {4, 2},
                                 GetParam());
  x.set_requires_grad(true);
  const Tensor y = log_sum_exp(x);
  const std::vector<float> got = y.to_vector<float>();
  const double log_one_plus_e = std::log1p(std::exp(1.0));
  EXPECT_NEAR(got[0], 1000 + log_one_plus_e, 1e-4);
  EXPECT_NEAR(got[1], -1001 + log_one_plus_e, 1e-4);
  EXPECT_EQ(got[2], 5.0F);
  EXPECT_EQ(got[3], -inf);
  tape::backward(y, Tensor::full({4}, 1.0F, options));
  const std::vector<float> gradient = x.grad().to_vector<float>();
  EXPECT_NEAR(gradient[0], 1.0 / (1.0 + std::exp(1.0)), 1e-6);
  EXPECT_NEAR(gradient[2], 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
  EXPECT_EQ(gradient[4], 1.0F);
  EXPECT_EQ(gradient[5], 0.0F);
}

TEST_P(ReduceEdges, EmptySumsAreZeroAndEmptyMeansAreRefused) {
  const Tensor x = Tensor::empty({0, 3}, options);
  EXPECT_EQ(sum(x).item(), 0.0);
  EXPECT_EQ(sum_rows(x).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_THAT([&] { mean_rows(x); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("mean_rows: shape (0, 3)")));
}

TEST_P(ReduceEdges, ErrorsNameBothShapes) {
  const Tensor x = Tensor::zeros({4, 3}, options);
  EXPECT_THAT([&] { add_row(x, Tensor::zeros({4}, options)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("add_row: x (4, 3), row (4)")));
  EXPECT_THAT([&] { multiply_column(x, Tensor::zeros({3}, options)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("multiply_column: x (4, 3), column (3)")));
  EXPECT_THAT([&] { sum_rows(Tensor::zeros({}, options)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("sum_rows: shape (), need at least 1 axis")));
}

INSTANTIATE_TEST_SUITE_P(Devices, ReduceEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
