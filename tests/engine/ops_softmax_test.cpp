#include <gmock/gmock.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::normal_values;
using test::OpCase;
using test::Values;
using testing::HasSubstr;
using testing::ThrowsMessage;

// log softmax of every row in double.
Values log_softmax_rows(const Values& x, std::int64_t cols, double temperature) {
  Values y;
  for (std::size_t first = 0; first < x.size(); first += static_cast<std::size_t>(cols)) {
    double largest = -INFINITY;
    for (std::int64_t c = 0; c < cols; ++c)
      largest = std::max(largest, x[first + static_cast<std::size_t>(c)]);
    double sum = 0.0;
    for (std::int64_t c = 0; c < cols; ++c) {
      sum += std::exp((x[first + static_cast<std::size_t>(c)] - largest) / temperature);
    }
    for (std::int64_t c = 0; c < cols; ++c) {
      y.push_back((x[first + static_cast<std::size_t>(c)] - largest) / temperature - std::log(sum));
    }
  }
  return y;
}

using Case = std::tuple<Device, std::int64_t, std::int64_t, double>;
struct SoftmaxOpTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  std::int64_t rows = std::get<1>(GetParam());
  std::int64_t cols = std::get<2>(GetParam());
  double spread = std::get<3>(GetParam());  // of the logits
  test::OpInput logits = [this] {
    test::OpInput input = normal_input({rows, cols}, 1);
    for (double& v : input.values) v = test::rounded(spread * v, DType::f32);
    return input;
  }();
  std::vector<std::int64_t> targets = [this] {
    std::vector<std::int64_t> list;
    for (std::int64_t r = 0; r < rows; ++r) list.push_back((3 * r + 1) % cols);
    return list;
  }();

  void check(OpCase c) const {
    c.inputs = {logits};
    c.tolerance = 1e-5;
    c.step = 1e-5 * std::max(1.0, spread / 100.0);
    EXPECT_TRUE(test::matches_definition(device, c));
  }
  double target_loss(const Values& log_p, double smoothing) const {
    double sum = 0.0;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        const double wanted = smoothing / static_cast<double>(cols) +
                              (c == targets[static_cast<std::size_t>(r)] ? 1.0 - smoothing : 0.0);
        sum -= wanted * log_p[static_cast<std::size_t>(r * cols + c)];
      }
    }
    return sum / static_cast<double>(rows);
  }
};

TEST_P(SoftmaxOpTest, Softmax) {
  const double temperature = 0.5;
  check({.inputs = {},
         .op = [](const std::vector<Tensor>& in) { return softmax(in[0], 0.5F); },
         .definition =
             [&](const std::vector<Values>& in) {
               Values y = log_softmax_rows(in[0], cols, temperature);
               for (double& v : y) v = std::exp(v);
               return y;
             }});
}

TEST_P(SoftmaxOpTest, LogSoftmax) {
  check({.inputs = {},
         .op = [](const std::vector<Tensor>& in) { return log_softmax(in[0], 0.5F); },
         .definition = [&](const std::vector<Values>& in) { return log_softmax_rows(in[0], cols, 0.5); }});
}

TEST_P(SoftmaxOpTest, CrossEntropy) {
  const Tensor t = Tensor::from(targets, {rows}, device);
  for (const float smoothing : {0.0F, 0.1F}) {
    check({.inputs = {},
           .op = [&](const std::vector<Tensor>& in) { return cross_entropy(in[0], t, smoothing); },
           .definition =
               [&](const std::vector<Values>& in) {
                 return Values{target_loss(log_softmax_rows(in[0], cols, 1.0), smoothing)};
               }});
  }
}

TEST_P(SoftmaxOpTest, SoftCrossEntropy) {
  Values q = normal_values(rows * cols, 7);
  for (double& v : q) v = test::rounded(std::max(v, 0.0), DType::f32);  // not normalised, with zeros
  const Tensor probabilities = test::to_tensor(q, {rows, cols}, DType::f32, device);
  check({.inputs = {},
         .op = [&](const std::vector<Tensor>& in) { return soft_cross_entropy(in[0], probabilities); },
         .definition =
             [&](const std::vector<Values>& in) {
               return Values{-test::dot(q, log_softmax_rows(in[0], cols, 1.0)) / static_cast<double>(rows)};
             }});
}

TEST_P(SoftmaxOpTest, HalfPrecisionLogits) {
  OpCase c;
  c.inputs = {logits};
  c.inputs[0].dtype = DType::bf16;
  for (double& v : c.inputs[0].values) v = test::rounded(v, DType::bf16);
  c.tolerance = test::tolerance_of(DType::bf16);
  const Tensor t = Tensor::from(targets, {rows}, device);
  c.op = [&](const std::vector<Tensor>& in) { return cross_entropy(in[0], t); };
  c.definition = [&](const std::vector<Values>& in) {
    return Values{target_loss(log_softmax_rows(in[0], cols, 1.0), 0.0)};
  };
  EXPECT_TRUE(test::matches_definition(device, c));
  Values q = normal_values(rows * cols, 7);
  for (double& v : q) v = test::rounded(std::max(v, 0.0), DType::f32);
  const Tensor probabilities = test::to_tensor(q, {rows, cols}, DType::f32, device);
  c.op = [&](const std::vector<Tensor>& in) { return soft_cross_entropy(in[0], probabilities); };
  c.definition = [&](const std::vector<Values>& in) {
    return Values{-test::dot(q, log_softmax_rows(in[0], cols, 1.0)) / static_cast<double>(rows)};
  };
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, SoftmaxOpTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(1, 7),
                                          testing::Values(2, 13, 1009), testing::Values(1.0, 300.0)));

struct SoftmaxEdges : testing::TestWithParam<Device> {
  TensorOptions options{.device = GetParam()};
};

TEST_P(SoftmaxEdges, AMaskedDiagonalHasExactlyNoGradient) {
  // As the losses do it: add a matrix of 0 with -inf on the diagonal.
  const std::int64_t n = 6;
  std::vector<float> mask(36, 0.0F);
  std::vector<std::int64_t> targets;
  for (std::int64_t i = 0; i < n; ++i) {
    mask[static_cast<std::size_t>(i * n + i)] = -INFINITY;
    targets.push_back((i + 3) % n);
  }
  Tensor x = test::to_tensor(normal_values(36, 5), {n, n}, DType::f32, GetParam());
  x.set_requires_grad(true);
  tape::backward(
      cross_entropy(add(x, Tensor::from(mask, {n, n}, GetParam())), Tensor::from(targets, {n}, GetParam())));
  const std::vector<float> gradient = x.grad().to_vector<float>();
  for (std::size_t i = 0; i < 36; ++i) {
    EXPECT_TRUE(std::isfinite(gradient[i])) << i;
    EXPECT_EQ(gradient[i] == 0.0F, i % 7 == 0) << i;
  }
}

TEST_P(SoftmaxEdges, OffsetsAndThousandsDoNotMatter) {
  const std::vector<std::int64_t> target{2, 0};
  const Tensor t = Tensor::from(target, {2}, GetParam());
  const std::vector<float> low{0.0F, 0.5F, 1.0F, 2.0F, -1.0F, 0.25F};
  const double near_zero = cross_entropy(Tensor::from(low, {2, 3}, GetParam()), t).item();
  for (const float offset : {1024.0F, -1024.0F}) {
    std::vector<float> moved(low);
    for (float& v : moved) v += offset;
    EXPECT_EQ(cross_entropy(Tensor::from(moved, {2, 3}, GetParam()), t).item(), near_zero) << offset;
  }
  const std::vector<float> extreme{1000, -1000, 0, -1000, 1000, 0};
  EXPECT_NEAR(cross_entropy(Tensor::from(extreme, {2, 3}, GetParam()), t).item(), 1500.0, 1e-3);
}

TEST_P(SoftmaxEdges, TheUpstreamGradientScalesTheLossGradient) {
  const std::vector<std::int64_t> target{1};
  Tensor x = Tensor::from<float>(std::vector<float>{0, 0}, {1, 2}, GetParam());
  x.set_requires_grad(true);
  tape::backward(scale(cross_entropy(x, Tensor::from(target, {1}, GetParam())), 4.0F));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, -2}));
}

TEST_P(SoftmaxEdges, ErrorsNameWhatTheyGot) {
  const Tensor x = Tensor::zeros({2, 3}, options);
  const Tensor t = Tensor::zeros({2}, {.dtype = DType::i64, .device = GetParam()});
  EXPECT_THAT([&] { softmax(cast(x, DType::bf16)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("softmax: got (2, 3) bf16, need f32")));
  EXPECT_THAT([&] { softmax(x, 0.0F); }, ThrowsMessage<std::invalid_argument>(HasSubstr("temperature 0.0")));
  EXPECT_THAT([&] { cross_entropy(x, t.rows(0, 1)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("logits (2, 3), targets (1)")));
  EXPECT_THAT([&] { cross_entropy(x, t, 1.5F); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("smoothing 1.5")));
  EXPECT_THAT(
      [&] {
        cross_entropy(Tensor::zeros({0, 3}, options), t);
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("logits (0, 3)")));
  EXPECT_THAT(
      [&] {
        soft_cross_entropy(x, Tensor::zeros({3, 2}, options));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("logits (2, 3), probabilities (3, 2)")));
}

TEST(CrossEntropyTest, ATargetOutsideIsNamed) {
  const std::vector<std::int64_t> target{1, 3};
  EXPECT_THAT(
      [&] {
        cross_entropy(Tensor::zeros({2, 3}), Tensor::from(target, {2}));
      },
      ThrowsMessage<std::out_of_range>(HasSubstr("target 3 of row 1, there are 3 classes")));
}

INSTANTIATE_TEST_SUITE_P(Devices, SoftmaxEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
