#include <gmock/gmock.h>

#include "engine/ops/contrastive.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::OpCase;
using test::OpInput;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kDim = 5;

// Which columns of which rows are positives, and which are looked at.
struct Relation {
  std::function<bool(std::size_t, std::size_t)> positive;
  bool self = false;
};

double log_sum(const std::vector<double>& s) {
  double sum = 0.0;
  for (const double v : s) sum += std::exp(v);  // the tests' logits are small
  return std::log(sum);
}

// The losses of rows of q against rows of k in double; `first` are logits that every row has beside them (own).
Values losses(const Values& q, const Values& k, double temperature, ContrastivePositives positives,
              const Relation& relation, const Values& own = {}) {
  const auto logit = [&](const Values& b, std::size_t i, std::size_t j) {
    double sum = 0.0;
    for (std::size_t c = 0; c < kDim; ++c) sum += q[i * kDim + c] * b[j * kDim + c];
    return sum / temperature;
  };
  Values out;
  for (std::size_t i = 0; i < q.size() / kDim; ++i) {
    std::vector<double> all, wanted;
    if (!own.empty()) all = wanted = {logit(own, i, i)};
    for (std::size_t j = 0; j < k.size() / kDim; ++j) {
      if (relation.self && i == j) continue;
      const bool positive = relation.positive(i, j);
      if (positive) wanted.push_back(logit(k, i, j));
      if (!positive || positives != ContrastivePositives::excluded) all.push_back(logit(k, i, j));
    }
    double mean = 0.0;
    for (const double s : wanted) mean += s / static_cast<double>(wanted.size());
    const double pull = positives == ContrastivePositives::summed ? log_sum(wanted) : mean;
    out.push_back(wanted.empty() ? 0.0 : log_sum(all) - pull);
  }
  return out;
}

// Rows short enough that rounding and central differences agree.
OpInput rows(std::int64_t count, std::uint32_t seed, DType dtype = DType::f32) {
  OpInput input = test::normal_input({count, kDim}, seed, dtype);
  for (double& v : input.values) v = test::rounded(0.4 * v, dtype);
  return input;
}

struct ContrastiveOp : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(ContrastiveOp, RowsAgainstOtherRowsMatchTheDefinition) {
  for (const auto positives :
       {ContrastivePositives::averaged, ContrastivePositives::excluded, ContrastivePositives::summed}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Contrast options{
          .temperature = 0.5F, .positives = positives, .row_period = 3, .column_period = 3};
      EXPECT_TRUE(test::matches_definition(
          device, {.inputs = {rows(6, 1, dtype), rows(9, 2, dtype)},
                   .op = [&](const std::vector<Tensor>& x) { return contrast_rows(x[0], x[1], options); },
                   .definition =
                       [&](const std::vector<Values>& x) {
                         const Relation relation{[](std::size_t i, std::size_t j) { return i % 3 == j % 3; }};
                         return losses(x[0], x[1], 0.5, positives, relation);
                       },
                   .tolerance = dtype == DType::f32 ? 1e-5 : 1e-2}));  // gradients are rounded to bf16
    }
  }
}

TEST_P(ContrastiveOp, RowsAmongThemselvesMatchTheDefinition) {
  const std::vector<std::int64_t> classes = {4, 1, 4, 4, 1, -3};  // the last one is alone
  const auto same = [&](std::size_t i, std::size_t j) { return classes[i] == classes[j]; };
  EXPECT_TRUE(test::matches_definition(
      device, {.inputs = {rows(6, 3)},
               .op =
                   [&](const std::vector<Tensor>& x) {
                     return contrast_among(
                         x[0], {.temperature = 0.5F, .row_labels = Tensor::from(classes, {6}, device)});
                   },
               .definition =
                   [&](const std::vector<Values>& x) {
                     return losses(x[0], x[0], 0.5, ContrastivePositives::averaged, {same, true});
                   },
               .tolerance = 1e-5}));
}

TEST_P(ContrastiveOp, AnOwnColumnMatchesTheDefinitionAndLearnsNothing) {
  OpInput own = rows(4, 5);
  own.learns = false;
  EXPECT_TRUE(test::matches_definition(
      device, {.inputs = {rows(4, 4), own, rows(7, 6)},
               .op = [](const std::vector<Tensor>& x) { return contrast_with_own(x[0], x[1], x[2], 0.5F); },
               .definition =
                   [](const std::vector<Values>& x) {
                     const Relation nobody{[](std::size_t, std::size_t) { return false; }};
                     return losses(x[0], x[2], 0.5, ContrastivePositives::averaged, nobody, x[1]);
                   },
               .tolerance = 1e-5}));
}

// A queue gets no gradient, and none is computed for it; keys alone may learn.
TEST_P(ContrastiveOp, OnlyWhatLearnsGetsAGradient) {
  const auto tensor = [&](const OpInput& input) {
    return test::to_tensor(input.values, input.shape, DType::f32, device);
  };
  for (const bool queries : {true, false}) {
    Tensor q = tensor(rows(4, 7));
    Tensor k = tensor(rows(4, 8));
    (queries ? q : k).set_requires_grad(true);
    const Tensor y = contrast_rows(q, k, {.row_period = 4, .column_period = 4});
    tape::backward(y, Tensor::full({4}, 1.0F, y.options()));
    EXPECT_EQ(q.grad().defined(), queries);
    EXPECT_EQ(k.grad().defined(), !queries);
  }
}

TEST_P(ContrastiveOp, NonsenseIsRefusedWithItsShapes) {
  const auto zeros = [&](const Shape& shape, DType dtype = DType::f32) {
    return Tensor::zeros(shape, {.dtype = dtype, .device = device});
  };
  const auto refused = [](const std::function<void()>& call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(text)));
  };
  const Contrast good{.row_period = 4, .column_period = 4};
  refused([&] { contrast_rows(zeros({4, 3}), zeros({4, 2}), good); }, "q (4, 3) f32, k (4, 2) f32");
  refused([&] { contrast_rows(zeros({4, 3}), zeros({4, 3}, DType::bf16), good); }, "k (4, 3) bf16");
  refused([&] { contrast_rows(zeros({0, 3}), zeros({4, 3}), good); }, "q (0, 3)");
  refused([&] { contrast_rows(zeros({4, 3}), zeros({4, 3}), {}); }, "periods 0 and 0");
  refused([&] { contrast_among(zeros({4, 3}), {.temperature = NAN, .row_period = 2}); }, "temperature nan");
  refused([&] { contrast_among(zeros({4, 3}), {.row_labels = zeros({3}, DType::i64)}); }, "labels (3)");
  refused([&] { contrast_among(zeros({4, 3}), {.row_labels = zeros({4})}); }, "need i64");
  refused([&] { contrast_with_own(zeros({4, 3}), zeros({5, 3}), zeros({6, 3}), 1.0F); }, "(5, 3)");
}

INSTANTIATE_TEST_SUITE_P(Devices, ContrastiveOp, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
