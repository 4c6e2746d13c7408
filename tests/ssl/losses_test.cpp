// Losses against their definitions in double: values, and gradients by central differences of the definition.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "ssl/losses/emp_contrastive.h"
#include "ssl/losses/emp_ssl.h"
#include "ssl/losses/ntxent.h"
#include "ssl/losses/simsiam.h"
#include "ssl/losses/supervised.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using test::Matrix;
using testing::HasSubstr;
using testing::ThrowsMessage;

double dot(const Matrix& a, std::int64_t i, const Matrix& b, std::int64_t j) {
  double sum = 0.0;
  for (std::int64_t d = 0; d < a.cols(); ++d) sum += a(i, d) * b(j, d);
  return sum;
}

Matrix unit(Matrix m) {
  for (std::int64_t r = 0; r < m.rows(); ++r) {
    const double length = std::sqrt(dot(m, r, m, r));
    for (double& v : m.row(r)) v /= length;
  }
  return m;
}

// Row sin(1 + 0.5 i + 1.7 j + 0.3 i j): inputs with published results.
Matrix golden(std::int64_t rows, std::int64_t cols) {
  Matrix m(rows, cols);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      const auto x = static_cast<double>(i);
      const auto y = static_cast<double>(j);
      m(i, j) = std::sin(1.0 + 0.5 * x + 1.7 * y + 0.3 * x * y);
    }
  }
  return m;
}

Tensor leaf(const Matrix& m, const Shape& shape, Device device) {
  const std::vector<float> values(m.values().begin(), m.values().end());
  return Tensor::from(values, shape, device).set_requires_grad(true);
}

using Definition = std::function<double(const Matrix&)>;
using Loss = std::function<Tensor(const Tensor&)>;

// The loss of `x` seen as `shape`, and its gradient, against the definition.
void expect_matches(const Loss& loss, const Definition& definition, const Matrix& x, const Shape& shape,
                    double tolerance) {
  for (const Device device : test::devices()) {
    const Tensor in = leaf(x, shape, device);
    const Tensor out = loss(in);
    EXPECT_NEAR(out.item(), definition(x), tolerance * std::max(1.0, std::abs(definition(x))));
    tape::backward(out);
    Matrix gradient(x.rows(), x.cols());
    const std::vector<float> values = in.grad().to_vector<float>();
    gradient.values().assign(values.begin(), values.end());
    const Matrix want = test::central_differences(definition, x, 1e-5);
    double largest = 0.0;
    for (const double v : want.values()) largest = std::max(largest, std::abs(v));
    EXPECT_TRUE(test::all_near(gradient, want, tolerance * std::max(largest, 1e-3)));
  }
}

double ntxent_definition(const Matrix& x, std::int64_t views, double temperature) {
  const Matrix z = unit(x);
  const std::int64_t batch = z.rows() / views;
  double loss = 0.0;
  for (std::int64_t i = 0; i < z.rows(); ++i) {
    double all = 0.0;
    double positive = 0.0;
    for (std::int64_t k = 0; k < z.rows(); ++k) {
      if (k == i) continue;
      const double e = std::exp(dot(z, i, z, k) / temperature);
      all += e;
      if (k % batch == i % batch) positive += e;
    }
    loss += std::log(all / positive);
  }
  return loss / static_cast<double>(z.rows());
}

TEST(NtXentTest, MatchesTheDefinition) {
  for (const std::int64_t views : {2, 3}) {
    const Matrix x = test::normal(views * 5, 7, 1);
    const NtXent options{.views = views, .temperature = 0.2F};
    expect_matches([&](const Tensor& z) { return ntxent_loss(z, options); },
                   [&](const Matrix& m) { return ntxent_definition(m, views, 0.2F); }, x,
                   {x.rows(), x.cols()}, 1e-5);
  }
}

TEST(NtXentTest, MatchesThePublishedNumbers) {
  const Tensor z = leaf(golden(4, 3), {4, 3}, Device::cpu);
  const Tensor loss = ntxent_loss(z, {.temperature = 0.5F});
  EXPECT_NEAR(loss.item(), 1.9419363387, 2e-6);
  tape::backward(loss);
  const std::vector<float> gradient = z.grad().to_vector<float>();
  EXPECT_NEAR(gradient[0], -0.25562824, 1e-6);
  EXPECT_NEAR(gradient[1], 0.17506684, 1e-6);
  EXPECT_NEAR(gradient[2], -0.14741845, 1e-6);
}

TEST(NtXentTest, OneImageHasNothingToLearn) {
  for (const std::int64_t views : {2, 3}) {
    const Tensor z = leaf(test::normal(views, 6, 2), {views, 6}, Device::cpu);
    const Tensor loss = ntxent_loss(z, {.views = views, .temperature = 0.01F});
    EXPECT_EQ(loss.item(), 0.0);
    tape::backward(loss);
    for (const float g : z.grad().to_vector<float>()) EXPECT_EQ(g, 0.0F);
  }
}

TEST(NtXentTest, NanStaysVisibleAndNonsenseIsRefused) {
  Matrix x = test::normal(4, 3, 3);
  x(1, 1) = NAN;
  EXPECT_TRUE(std::isnan(ntxent_loss(leaf(x, {4, 3}, Device::cpu), {}).item()));
  const Tensor z = leaf(test::normal(5, 3, 3), {5, 3}, Device::cpu);
  EXPECT_THAT([&] { ntxent_loss(z, {}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("z (5, 3), 2 views")));
  EXPECT_THAT([&] { ntxent_loss(z, {.views = 5, .temperature = NAN}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("temperature nan")));
}

// Rows of x: p1, p2, z1, z2.
double simsiam_definition(const Matrix& x) {
  const Matrix u = unit(x);
  const std::int64_t b = x.rows() / 4;
  double sum = 0.0;
  for (std::int64_t i = 0; i < b; ++i) sum += dot(u, i, u, 3 * b + i) + dot(u, b + i, u, 2 * b + i);
  return -sum / static_cast<double>(2 * b);
}

TEST(SimSiamLossTest, MatchesTheDefinitionAndStopsTheGradientOfProjections) {
  const Matrix x = test::normal(20, 6, 4);
  const auto part = [&](std::int64_t k) {
    Matrix m(5, 6);
    std::copy_n(x.values().begin() + k * 30, 30, m.values().begin());
    return leaf(m, {5, 6}, Device::cpu);
  };
  const Tensor p1 = part(0);
  const Tensor p2 = part(1);
  const Tensor z1 = part(2);
  const Tensor z2 = part(3);
  const Tensor loss = simsiam_loss({p1, z1}, {p2, z2});
  EXPECT_NEAR(loss.item(), simsiam_definition(x), 1e-6);
  tape::backward(loss);
  EXPECT_FALSE(z1.grad().defined());
  EXPECT_FALSE(z2.grad().defined());
  const Matrix want = test::central_differences(simsiam_definition, x, 1e-5);
  for (const auto& [tensor, first] : {std::pair(p1, 0), std::pair(p2, 30)}) {
    const std::vector<float> got = tensor.grad().to_vector<float>();
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], want.values()[static_cast<std::size_t>(first) + i], 1e-6);
    }
  }
  EXPECT_THAT(
      [&] {
        simsiam_loss({p1, z1}, {p2, part(3).reshaped({6, 5})});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("(6, 5)")));
}

// log det of a positive definite matrix by elimination.
double log_det(Matrix m) {
  double sum = 0.0;
  for (std::int64_t k = 0; k < m.rows(); ++k) {
    sum += std::log(m(k, k));
    for (std::int64_t r = k + 1; r < m.rows(); ++r) {
      const double factor = m(r, k) / m(k, k);
      for (std::int64_t c = k; c < m.cols(); ++c) m(r, c) -= factor * m(k, c);
    }
  }
  return sum;
}

// z: rows patch-major, n patches.
double tcr_definition(const Matrix& z, std::int64_t n, double alpha) {
  const std::int64_t b = z.rows() / n;
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    Matrix gram(b, b);
    for (std::int64_t r = 0; r < b; ++r) {
      for (std::int64_t c = 0; c < b; ++c)
        gram(r, c) = (r == c ? 1 : 0) + alpha * dot(z, i * b + r, z, i * b + c);
    }
    sum -= 0.5 * log_det(gram);
  }
  return sum / static_cast<double>(n);
}

Matrix patch_mean(const Matrix& z, std::int64_t n) {
  Matrix mean(z.rows() / n, z.cols());
  for (std::int64_t r = 0; r < z.rows(); ++r) {
    for (std::int64_t d = 0; d < z.cols(); ++d) mean(r % mean.rows(), d) += z(r, d) / static_cast<double>(n);
  }
  return mean;
}

double similarity_definition(const Matrix& z, std::int64_t n) {
  const Matrix u = unit(z);
  const Matrix m = unit(patch_mean(z, n));
  double sum = 0.0;
  for (std::int64_t r = 0; r < z.rows(); ++r) sum += dot(u, r, m, r % m.rows());
  return sum / static_cast<double>(z.rows());
}

TEST(EmpSslLossTest, MatchesTheDefinitionForAnyLengthOfRows) {
  const EmpSsl options{.similarity_weight = 3.0F, .tcr_weight = 0.7F};
  for (const std::int64_t dim : {3, 11}) {  // b = 5: the dim form and the batch form of the determinant
    const Matrix x = test::normal(20, dim, 5);
    const double alpha = options.rate.alpha(5, dim);
    expect_matches([&](const Tensor& z) { return emp_ssl_loss(z, options).loss; },
                   [&](const Matrix& m) {
                     return -3.0 * similarity_definition(m, 4) + 0.7F * tcr_definition(m, 4, alpha);
                   },
                   x, {4, 5, dim}, 2e-5);
  }
}

TEST(EmpSslLossTest, MatchesThePublishedNumbers) {
  const Tensor z = leaf(unit(golden(6, 4)), {2, 3, 4}, Device::cpu);
  EXPECT_NEAR(emp_ssl_loss(z, {}).loss.item(), -108.4619094502, 1e-4);
  const EmpContrastive patches{.form = EmpContrast::patches, .temperature = 0.5F};
  EXPECT_NEAR(emp_contrast(z, patches).item(), 1.1198057998, 1e-6);
  const Tensor three = leaf(unit(golden(3, 4)), {1, 3, 4}, Device::cpu);
  EXPECT_NEAR(tcr_loss(three, {}).item(), -2.6368842707, 2e-6);
  EXPECT_NEAR(tcr_loss(three, {.epsilon_squared = true}).item(), -4.6899512648, 5e-6);
}

TEST(EmpSslLossTest, CollapsedRowsHaveTheRateOfOneDirection) {
  const Matrix one = unit(test::normal(1, 9, 6));
  Matrix same(12, 9);
  for (std::int64_t r = 0; r < 12; ++r) std::ranges::copy(one.values(), same.row(r).begin());
  const Tensor z = leaf(same, {3, 4, 9}, Device::cpu);
  EXPECT_NEAR(tcr_loss(z, {}).item(), -0.5 * std::log(1.0 + 9.0 / 0.2), 1e-5);
  EXPECT_NEAR(patch_similarity(z).item(), 1.0, 1e-6);
}

// For unit rows the mean cosine is the mean length of the means.
TEST(EmpSslLossTest, SimilarityOfUnitRowsIsTheLengthOfTheirMeans) {
  const Matrix u = unit(test::normal(21, 8, 7));
  const Matrix m = patch_mean(u, 3);
  double lengths = 0.0;
  for (std::int64_t j = 0; j < m.rows(); ++j) lengths += std::sqrt(dot(m, j, m, j)) / 7.0;
  EXPECT_NEAR(patch_similarity(leaf(u, {3, 7, 8}, Device::cpu)).item(), lengths, 1e-6);
}

struct PatchForm {
  bool detach = false;
  bool normalize = false;
};

// anchors: those of a fixed input when the mean is detached.
double patch_form_definition(const Matrix& z, const Matrix& anchor_source, std::int64_t n, bool normalize,
                             double temperature) {
  Matrix anchor = patch_mean(anchor_source, n);
  if (normalize) anchor = unit(anchor);
  double loss = 0.0;
  for (std::int64_t j = 0; j < anchor.rows(); ++j) {
    double others = 0.0;
    for (std::int64_t r = 0; r < z.rows(); ++r) {
      if (r % anchor.rows() != j) others += std::exp(dot(anchor, j, z, r) / temperature);
    }
    for (std::int64_t i = 0; i < n; ++i) {
      loss += std::log(others) - dot(anchor, j, z, i * anchor.rows() + j) / temperature;
    }
  }
  return loss / static_cast<double>(z.rows());
}

TEST(EmpContrastTest, PatchFormMatchesTheDefinition) {
  const Matrix x = unit(test::normal(15, 6, 8));
  for (const PatchForm& form : {PatchForm{}, PatchForm{.normalize = true}, PatchForm{.detach = true},
                                PatchForm{.detach = true, .normalize = true}}) {
    const EmpContrastive options{.form = EmpContrast::patches,
                                 .temperature = 0.3F,
                                 .detach_mean = form.detach,
                                 .normalize_mean = form.normalize};
    expect_matches([&](const Tensor& z) { return emp_contrast(z, options); },
                   [&](const Matrix& m) {
                     return patch_form_definition(m, form.detach ? x : m, 3, form.normalize, 0.3F);
                   },
                   x, {3, 5, 6}, 1e-5);
  }
}

double mean_form_definition(const Matrix& z, std::int64_t n, double temperature) {
  const Matrix u = unit(z);
  const Matrix m = unit(patch_mean(z, n));
  double loss = 0.0;
  for (std::int64_t r = 0; r < z.rows(); ++r) {
    double all = 0.0;
    for (std::int64_t l = 0; l < m.rows(); ++l) all += std::exp(dot(u, r, m, l) / temperature);
    loss += std::log(all) - dot(u, r, m, r % m.rows()) / temperature;
  }
  return loss / static_cast<double>(z.rows());
}

TEST(EmpContrastTest, MeanFormMatchesTheDefinition) {
  const Matrix x = test::normal(15, 6, 9);
  const EmpContrastive options{.temperature = 0.07F};
  expect_matches([&](const Tensor& z) { return emp_contrast(z, options); },
                 [&](const Matrix& m) { return mean_form_definition(m, 3, 0.07F); }, x, {3, 5, 6}, 2e-5);
}

TEST(EmpContrastTest, PartsAddUpWithTheirWeights) {
  const Tensor z = leaf(unit(test::normal(12, 5, 10)), {3, 4, 5}, Device::cpu);
  const EmpLoss parts = emp_contrastive_loss(z, {.contrastive_weight = 50.0F, .tcr_weight = 0.1F});
  EXPECT_NEAR(parts.loss.item(), 50.0 * parts.invariance.item() + 0.1 * parts.tcr.item(), 1e-4);
  EXPECT_FALSE(parts.tcr.requires_grad());
}

TEST(EmpContrastTest, NeedsOtherImagesAndAGoodTemperature) {
  const Tensor alone = leaf(test::normal(3, 5, 11), {3, 1, 5}, Device::cpu);
  EXPECT_THAT([&] { emp_contrast(alone, {.form = EmpContrast::patches}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("z (3, 1, 5)")));
  EXPECT_EQ(emp_contrast(alone, {.form = EmpContrast::means}).item(), 0.0);
  EXPECT_THROW(emp_contrast(alone, {.temperature = 0.0F}), std::invalid_argument);
  EXPECT_THROW(tcr_loss(alone.reshaped({3, 5}), {}), std::invalid_argument);
  EXPECT_THROW(tcr_loss(alone, {.epsilon = NAN}), std::invalid_argument);
}

TEST(SupervisedLossTest, SmoothedTargetsMatchTheDefinition) {
  const std::vector<std::int64_t> classes = {2, 0, 1, 2};
  const auto definition = [&](const Matrix& logits) {
    double loss = 0.0;
    for (std::int64_t r = 0; r < 4; ++r) {
      double sum = 0.0;
      for (std::int64_t c = 0; c < 3; ++c) sum += std::exp(logits(r, c));
      for (std::int64_t c = 0; c < 3; ++c) {
        const double q = 0.1F / 3.0 + (c == classes[static_cast<std::size_t>(r)] ? 1.0 - 0.1F : 0.0);
        loss += q * (std::log(sum) - logits(r, c)) / 4.0;
      }
    }
    return loss;
  };
  const Matrix x = test::normal(4, 3, 12);
  expect_matches(
      [&](const Tensor& logits) {
        return supervised_cross_entropy(logits, {Tensor::from(classes, {4}, logits.device())}, 0.1F);
      },
      definition, x, {4, 3}, 1e-5);
}

// bf16 inputs are widened before anything else: the loss is that of the rounded numbers, to f32 accuracy.
TEST(LossPrecisionTest, Bf16InputsAreComputedInF32) {
  const Tensor z = cast(leaf(test::normal(8, 16, 13), {8, 16}, Device::cpu).detach(), DType::bf16);
  const double narrow = ntxent_loss(z, {.temperature = 0.1F}).item();
  EXPECT_EQ(narrow, ntxent_loss(cast(z, DType::f32), {.temperature = 0.1F}).item());
}

}  // namespace
}  // namespace nagare::ssl
