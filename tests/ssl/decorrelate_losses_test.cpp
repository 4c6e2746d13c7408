#include <gmock/gmock.h>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "ssl/losses/barlow.h"
#include "ssl/losses/byol.h"
#include "ssl/losses/cassle.h"
#include "ssl/losses/simsiam.h"
#include "ssl/losses/vicreg.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using test::Matrix;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor leaf(const Matrix& m) {
  Tensor t = Tensor::from(std::vector<float>(m.values().begin(), m.values().end()), {m.rows(), m.cols()});
  return t.set_requires_grad(true);
}

TEST(ByolLossTest, IsFourMinusFourTimesTheMeanCosineOfSimSiam) {
  const Matrix p1 = test::normal(5, 6, 1);
  const Matrix p2 = test::normal(5, 6, 2);
  const Matrix z1 = test::normal(5, 6, 3);
  const Matrix z2 = test::normal(5, 6, 4);
  const PredictedView first{leaf(p1), leaf(z1)};
  const PredictedView second{leaf(p2), leaf(z2)};
  const Tensor loss = byol_loss(first, second);
  const PredictedView first2{leaf(p1), leaf(z1)};
  const PredictedView second2{leaf(p2), leaf(z2)};
  const Tensor simsiam = simsiam_loss(first2, second2);
  EXPECT_NEAR(loss.item(), 4.0 + 4.0 * simsiam.item(), 1e-5);
  tape::backward(loss);
  tape::backward(simsiam);
  EXPECT_FALSE(first.projection.grad().defined());
  const std::vector<float> got = second.prediction.grad().to_vector<float>();
  const std::vector<float> want = second2.prediction.grad().to_vector<float>();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], 4.0F * want[i], 1e-6);
}

TEST(ByolLossTest, PerfectPredictionsGiveZeroAndOtherShapesAreRefused) {
  const Matrix z = test::normal(3, 4, 5);
  const Matrix other = test::normal(3, 4, 6);
  EXPECT_NEAR(byol_loss({leaf(z), leaf(other)}, {leaf(other), leaf(z)}).item(), 0.0, 1e-6);
  EXPECT_THAT(
      [&] {
        byol_loss({leaf(z), leaf(z)}, {leaf(z), leaf(Matrix(4, 3))});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("byol_loss: predictions (3, 4) and (3, 4), projections "
                                                     "(3, 4) and (4, 3)")));
}

// sin(1 + 0.5 i + 1.7 j + 0.3 i j + shift): inputs with published results.
Matrix golden(double shift) {
  Matrix m(4, 3);
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 3; ++j) m(i, j) = std::sin(1.0 + 0.5 * i + 1.7 * j + 0.3 * i * j + shift);
  }
  return m;
}

void expect_first_row(const Tensor& gradient, const std::vector<double>& want, double norm) {
  const std::vector<float> got = gradient.to_vector<float>();
  double squares = 0.0;
  for (const float v : got) squares += static_cast<double>(v) * v;
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6);
  EXPECT_NEAR(std::sqrt(squares), norm, 5e-6);
}

TEST(BarlowLossTest, MatchesThePublishedNumbers) {
  const Tensor x = leaf(golden(0.0));
  const Tensor loss = barlow_loss(x, leaf(golden(0.4)));
  EXPECT_NEAR(loss.item(), 0.0461878815, 1e-6);
  tape::backward(loss);
  expect_first_row(x.grad(), {-0.46062459, -0.01288742, 0.00337253}, 0.55576496);
}

TEST(VicRegLossTest, MatchesThePublishedNumbers) {
  const Tensor x = leaf(golden(0.0));
  const VicRegLoss parts = vicreg_loss(x, leaf(golden(0.4)));
  EXPECT_NEAR(parts.loss.item(), 12.6697154771, 1e-5);
  EXPECT_NEAR(25.0 * parts.similarity.item() + 25.0 * parts.deviation.item() + parts.covariance.item(),
              parts.loss.item(), 1e-5);
  tape::backward(parts.loss);
  expect_first_row(x.grad(), {-0.58360816, -0.08807105, 1.31664701}, 4.93197296);
}

TEST(SimSiamLossTest, MatchesThePublishedNumbers) {
  const Tensor p = leaf(golden(0.0));
  const Tensor loss = mean_prediction_cosine(p, leaf(golden(0.4)), -1.0F);
  EXPECT_NEAR(loss.item(), -0.9509143163, 1e-6);
  tape::backward(loss);
  expect_first_row(p.grad(), {-0.01924049, 0.05129311, 0.00602282}, 0.11626316);
}

TEST(VicRegLossTest, CollapseCostsTheWholeHingeAndTheSumIsTwiceTheMean) {
  const Matrix same(6, 5);
  EXPECT_NEAR(vicreg_loss(leaf(same), leaf(same)).loss.item(), 24.75, 1e-5);
  EXPECT_NEAR(vicreg_loss(leaf(same), leaf(same), {.halved = false}).loss.item(), 49.5, 1e-5);
}

TEST(CassleLossTest, ProjectionsAreConstantsAndAnUpstreamGradientScales) {
  const PredictedView first{leaf(test::normal(5, 6, 1)), leaf(test::normal(5, 6, 2))};
  const PredictedView second{leaf(test::normal(5, 6, 3)), leaf(test::normal(5, 6, 4))};
  const auto barlow = [](const PredictedView& a, const PredictedView& b) { return cassle_barlow_loss(a, b); };
  using Form = Tensor (*)(const PredictedView&, const PredictedView&);
  for (const Form form : {Form{cassle_byol_loss}, Form{cassle_mse_loss}, Form{barlow}}) {
    const auto gradient = [&](float upstream) {
      first.prediction.clear_grad();
      tape::backward(scale(form(first, second), upstream));
      return first.prediction.grad().to_vector<float>();
    };
    const std::vector<float> one = gradient(1.0F);
    const std::vector<float> three = gradient(3.0F);
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(three[i], 3.0F * one[i], 1e-6);
    EXPECT_FALSE(first.projection.grad().defined());
  }
}

TEST(DecorrelationLosses, RefuseOtherShapesByName) {
  const Tensor a = leaf(Matrix(4, 3));
  const Tensor b = leaf(Matrix(3, 4));
  const Tensor one = leaf(Matrix(1, 3));
  EXPECT_THAT([&] { barlow_loss(a, b); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("barlow_loss: x (4, 3), y (3, 4)")));
  EXPECT_THAT(
      [&] { vicreg_loss(one, one); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("vicreg_loss: x (1, 3), y (1, 3): need two (B, D)")));
}

}  // namespace
}  // namespace nagare::ssl
