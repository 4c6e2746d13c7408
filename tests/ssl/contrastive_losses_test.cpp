// Losses on the fused contrastive op against the same losses composed of plain ops, and InfoNCE and SupCon against published
// numbers. The definitions of NT-Xent and EMP's term in double are in losses_test.cpp.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/softmax.h"
#include "ssl/losses/emp_contrastive.h"
#include "ssl/losses/info_nce.h"
#include "ssl/losses/ntxent.h"
#include "ssl/losses/supcon.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using test::Matrix;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor leaf(const Matrix& m, const Shape& shape, Device device = Device::cpu) {
  const std::vector<float> values(m.values().begin(), m.values().end());
  return Tensor::from(values, shape, device).set_requires_grad(true);
}

// 0 where keep(row, column), else -infinity: added to logits.
Tensor mask(std::int64_t rows, std::int64_t columns, Device device,
            const std::function<bool(std::int64_t, std::int64_t)>& keep) {
  std::vector<float> values;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) values.push_back(keep(r, c) ? 0.0F : -INFINITY);
  }
  return Tensor::from(values, {rows, columns}, device);
}

Tensor logits_of(const Tensor& a, const Tensor& b, float temperature) {
  return scale(matmul(a, b, {.transpose_b = true}), 1.0F / temperature);
}

Tensor composed_ntxent(const Tensor& z, const NtXent& options) {
  const std::int64_t rows = z.shape()[0];
  const std::int64_t batch = rows / options.views;
  const Tensor unit = l2_normalize(z);
  const Tensor logits = logits_of(unit, unit, options.temperature);
  const Tensor others = mask(rows, rows, z.device(), [](auto r, auto c) { return r != c; });
  const Tensor partners =
      mask(rows, rows, z.device(), [&](auto r, auto c) { return r != c && r % batch == c % batch; });
  return mean(subtract(log_sum_exp(add(logits, others)), log_sum_exp(add(logits, partners))));
}

Tensor composed_means(const Tensor& z, const EmpContrastive& options) {
  const std::int64_t rows = z.shape()[0] * z.shape()[1];
  const std::int64_t batch = z.shape()[1];
  const Tensor patches = reshape(l2_normalize(z, 1e-8F), {rows, z.shape()[2]});
  const Tensor logits = logits_of(patches, l2_normalize(mean_outer(z), 1e-8F), options.temperature);
  std::vector<std::int64_t> own;
  for (std::int64_t i = 0; i < rows; ++i) own.push_back(i % batch);
  return cross_entropy(logits, Tensor::from(own, {rows}, z.device()));
}

Tensor composed_patches(const Tensor& z, const EmpContrastive& options) {
  const std::int64_t rows = z.shape()[0] * z.shape()[1];
  const std::int64_t batch = z.shape()[1];
  const Tensor zbar = mean_outer(z);
  const Tensor anchor = options.detach_mean ? zbar.detach() : zbar;
  const Tensor logits = logits_of(anchor, reshape(z, {rows, z.shape()[2]}), options.temperature);
  const Tensor others = mask(batch, rows, z.device(), [&](auto r, auto c) { return c % batch != r; });
  const Tensor positive = scale(sum_columns(multiply(anchor, zbar)), 1.0F / options.temperature);
  return mean(subtract(log_sum_exp(add(logits, others)), positive));
}

using Loss = std::function<Tensor(const Tensor&)>;

void expect_same(const Loss& fused, const Loss& composed, const Matrix& x, const Shape& shape) {
  for (const Device device : test::devices()) {
    const Tensor a = leaf(x, shape, device);
    const Tensor b = leaf(x, shape, device);
    const Tensor got = fused(a);
    const Tensor want = composed(b);
    EXPECT_NEAR(got.item(), want.item(), 2e-6 * std::max(1.0, std::abs(want.item())));
    tape::backward(got);
    tape::backward(want);
    const std::vector<float> da = a.grad().to_vector<float>();
    const std::vector<float> db = b.grad().to_vector<float>();
    float largest = 1e-6F;
    for (const float v : db) largest = std::max(largest, std::abs(v));
    for (std::size_t i = 0; i < da.size(); ++i) ASSERT_NEAR(da[i], db[i], 2e-5F * largest) << "entry " << i;
  }
}

TEST(ContrastiveLossTest, NtXentIsItsComposition) {
  for (const std::int64_t views : {2, 3}) {
    for (const std::int64_t batch : {1, 2, 37, 150}) {  // 150: several tiles
      const NtXent options{.views = views, .temperature = 0.1F};
      expect_same([&](const Tensor& z) { return ntxent_loss(z, options); },
                  [&](const Tensor& z) { return composed_ntxent(z, options); },
                  test::normal(views * batch, 24, 1), {views * batch, 24});
    }
  }
}

TEST(ContrastiveLossTest, EmpTermsAreTheirCompositions) {
  Matrix x = test::normal(7 * 33, 16, 2);
  for (double& v : x.values()) v = static_cast<float>(v / 4.0);  // rows of length 1, more or less
  for (const bool detach : {false, true}) {
    const EmpContrastive options{.form = EmpContrast::patches, .temperature = 0.2F, .detach_mean = detach};
    expect_same([&](const Tensor& z) { return emp_contrast(z, options); },
                [&](const Tensor& z) { return composed_patches(z, options); }, x, {7, 33, 16});
  }
  const EmpContrastive options{.temperature = 0.07F};
  expect_same([&](const Tensor& z) { return emp_contrast(z, options); },
              [&](const Tensor& z) { return composed_means(z, options); }, x, {7, 33, 16});
}

TEST(ContrastiveLossTest, QueueInfoNceIsCrossEntropyWithTheKeyInFront) {
  const Tensor k = leaf(test::normal(9, 16, 4), {9, 16});
  const Tensor queue = l2_normalize(leaf(test::normal(200, 16, 5), {200, 16})).detach();
  const auto composed = [&](const Tensor& q) {
    const Tensor unit = l2_normalize(q);
    const Tensor key = l2_normalize(k.detach().to(q.device()));
    const Tensor positive = scale(sum_columns(multiply(unit, key)), 5.0F);
    const Tensor logits = concat({reshape(positive, {9, 1}), logits_of(unit, queue.to(q.device()), 0.2F)}, 1);
    return cross_entropy(logits, Tensor::from(std::vector<std::int64_t>(9, 0), {9}, q.device()));
  };
  const auto fused = [&](const Tensor& q) {
    return queue_info_nce(q, k.to(q.device()), queue.to(q.device()), 0.2F);
  };
  expect_same(fused, composed, test::normal(9, 16, 3), {9, 16});
  EXPECT_FALSE(k.grad().defined());  // keys come from the momentum network
}

// sin(1 + 0.5 i + 1.7 j + 0.3 i j + shift).
Matrix golden(std::int64_t rows, std::int64_t cols, double shift) {
  Matrix m(rows, cols);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      const auto x = static_cast<double>(i);
      const auto y = static_cast<double>(j);
      m(i, j) = std::sin(1.0 + 0.5 * x + 1.7 * y + 0.3 * x * y + shift);
    }
  }
  return m;
}

void expect_golden(const Tensor& loss, const Tensor& at, double value, const std::vector<double>& row,
                   double length) {
  EXPECT_NEAR(loss.item(), value, 2e-6 * std::max(1.0, value));
  tape::backward(loss);
  const std::vector<float> gradient = at.grad().to_vector<float>();
  for (std::size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(gradient[i], row[i], 2e-6 * std::max(1.0, length));
  double squares = 0.0;
  for (const float v : gradient) squares += static_cast<double>(v) * v;
  EXPECT_NEAR(std::sqrt(squares), length, 2e-6 * std::max(1.0, length));
}

TEST(ContrastiveLossTest, MatchesThePublishedNumbers) {
  const Tensor q = leaf(golden(2, 3, 0.0), {2, 3});
  const Tensor k = leaf(golden(2, 3, 0.4), {2, 3});
  const Tensor queue = l2_normalize(leaf(golden(4, 3, 2.0), {4, 3}));
  expect_golden(queue_info_nce(q, k, queue, 0.2F), q, 0.0265473325, {-0.00504943, 0.00470053, -0.00235397},
                0.05504748);
  const Tensor q3 = leaf(golden(2, 3, 0.0), {2, 3});
  const Tensor one_direction = scale(paired_info_nce(q3, k.detach(), 0.2F), 0.4F);
  expect_golden(one_direction, q3, 0.1651624658, {0.02599948, -0.03450333, 0.00749450}, 0.29303057);
  const Tensor z = leaf(golden(6, 3, 0.0), {6, 3});
  const Tensor classes = Tensor::from(std::vector<std::int64_t>{0, 1, 0, 1, 0, 1}, {6});
  expect_golden(supcon_loss(z, {classes}, {.temperature = 0.1F, .base_temperature = 0.1F}), z, 9.5809925874,
                {-1.77883306, 0.63162848, -1.28929007}, 3.79659596);
}

TEST(ContrastiveLossTest, MoCoV3SumsBothDirectionsAndItsKeysAreConstant) {
  const QueryAndKey first{leaf(test::normal(6, 8, 6), {6, 8}), leaf(test::normal(6, 8, 7), {6, 8})};
  const QueryAndKey second{leaf(test::normal(6, 8, 8), {6, 8}), leaf(test::normal(6, 8, 9), {6, 8})};
  const Tensor loss = moco_v3_loss(first, second, 0.2F);
  const double want = 0.4 * (paired_info_nce(first.query, second.key, 0.2F).item() +
                             paired_info_nce(second.query, first.key, 0.2F).item());
  EXPECT_NEAR(loss.item(), want, 1e-6);
  tape::backward(loss);
  EXPECT_TRUE(first.query.grad().defined());
  EXPECT_TRUE(second.query.grad().defined());
  EXPECT_FALSE(first.key.grad().defined());
  EXPECT_FALSE(second.key.grad().defined());
}

TEST(ContrastiveLossTest, EqualRowsAreAtChance) {
  Matrix same(8, 4);
  for (double& v : same.values()) v = 0.5;
  const Tensor z = leaf(same, {8, 4});
  EXPECT_NEAR(ntxent_loss(z, {}).item(), std::log(7.0), 1e-6);
  EXPECT_NEAR(paired_info_nce(z, z, 0.2F).item(), std::log(8.0), 1e-6);
  EXPECT_NEAR(queue_info_nce(z, z, z, 0.2F).item(), std::log(9.0), 1e-6);
  const Tensor alone = leaf(test::normal(1, 4, 1), {1, 4});
  EXPECT_EQ(paired_info_nce(alone, leaf(test::normal(1, 4, 2), {1, 4}), 0.01F).item(), 0.0);
}

TEST(ContrastiveLossTest, NonsenseIsRefusedWithItsShapes) {
  const Tensor z = leaf(test::normal(4, 3, 1), {4, 3});
  const Tensor wide = leaf(test::normal(4, 5, 1), {4, 5});
  const Tensor classes = Tensor::from(std::vector<std::int64_t>{0, 1, 0}, {3});
  EXPECT_THAT([&] { paired_info_nce(z, wide, 0.1F); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("(4, 3) and (4, 5)")));
  EXPECT_THAT([&] { queue_info_nce(z, z, wide, 0.1F); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("k (4, 5)")));
  EXPECT_THAT([&] { queue_info_nce(z, z, z, NAN); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("temperature nan")));
  EXPECT_THAT([&] { supcon_loss(z, {classes}, {}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("labels (3)")));
  EXPECT_THAT([&] { supcon_loss(z, {classes}, {.base_temperature = 0.0F}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("base temperature 0")));
}

}  // namespace
}  // namespace nagare::ssl
