#include <gmock/gmock.h>

#include "engine/autograd/tape.h"
#include "ssl/losses/byol.h"
#include "ssl/losses/simsiam.h"
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

}  // namespace
}  // namespace nagare::ssl
