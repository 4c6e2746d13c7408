// Strategies that hold parameters or features: SI, EWC, LwF, and the vectors that they are written with.
#include <gmock/gmock.h>

#include "ssl/strategies/flat_parameters.h"
#include "ssl/strategies/lwf.h"
#include "ssl/strategies/si.h"
#include "ssl/strategies/table.h"
#include "tests/ssl/toy_learner.h"
#include "tests/support/gradient.h"

namespace nagare::ssl {
namespace {

using test::pixel_of;
using test::ToyLearner;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

auto near(const std::vector<float>& want) { return Pointwise(FloatNear(1e-5F), want); }

// Two images whose mean view is (1, -1, 0), and two with (0, 1, 1).
std::vector<test::Pixel> images() {
  return {{pixel_of(1), pixel_of(-1), pixel_of(0)},
          {pixel_of(1), pixel_of(-1), pixel_of(0)},
          {pixel_of(0), pixel_of(1), pixel_of(1)},
          {pixel_of(0), pixel_of(1), pixel_of(1)}};
}

TEST(FlatParametersTest, KeepsOrderAndTellsNoGradientFromZero) {
  Tensor a = Tensor::from(std::vector<float>{1, 2}, {2});
  Tensor b = Tensor::from(std::vector<float>{3, 4, 5, 6}, {2, 2});
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  const FlatParameters flat({{"a", a, nn::Role::weight}, {"b", b, nn::Role::weight}});
  EXPECT_EQ(flat.size(), 6);
  EXPECT_THAT(flat.values().to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  tape::backward(sum(square(b)));
  const FlatGradients gradients = flat.gradients();
  EXPECT_THAT(gradients.values.to_vector<float>(), ElementsAre(0, 0, 6, 8, 10, 12));
  EXPECT_THAT(gradients.present, ElementsAre(false, true));
  flat.set_gradients({.values = scale(gradients.values, 0.5F), .present = gradients.present});
  EXPECT_FALSE(a.grad().defined());
  EXPECT_THAT(b.grad().to_vector<float>(), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(b.grad().shape(), b.shape());
  EXPECT_THROW(flat.set_gradients({.values = Tensor::zeros({5}), .present = {true, true}}),
               std::invalid_argument);
  EXPECT_THROW(FlatParameters({}), std::invalid_argument);
}

TEST(QuadraticPenaltyTest, MatchesItsDefinition) {
  const std::vector<float> importance = {0.5F, 2.0F, 0.0F};
  const std::vector<float> anchor = {1.0F, -1.0F, 3.0F};
  EXPECT_TRUE(nagare::test::matches_definition(
      Device::cpu, {.inputs = {nagare::test::normal_input({3}, 1)},
                    .op =
                        [&](const std::vector<Tensor>& x) {
                          return quadratic_penalty(FlatParameters({{"p", x[0], nn::Role::weight}}),
                                                   Tensor::from(importance, {3}), Tensor::from(anchor, {3}),
                                                   3.0)
                              .value;
                        },
                    .definition =
                        [&](const std::vector<nagare::test::Values>& x) {
                          double total = 0.0;
                          for (std::size_t i = 0; i < 3; ++i) {
                            total += 3.0 * importance[i] * (x[0][i] - anchor[i]) * (x[0][i] - anchor[i]);
                          }
                          return nagare::test::Values{total};
                        }}));
}

// omega / ((now - start)^2 + xi): 2 / (4 + 1), -1 / (0 + 1)
TEST(SiTest, ImportanceIsThePathOverTheDistance) {
  const auto row = [](float a, float b) { return Tensor::from(std::vector<float>{a, b}, {2}); };
  EXPECT_THAT(si_importance(row(2, -1), row(3, 1), row(1, 1), 1.0).to_vector<float>(), near({0.4F, -1.0F}));
}

// Rate 0.1 and a constant gradient g = (1, -1, 0): every step earns 0.1 g^2 and moves -0.1 g.
TEST(SiTest, AccumulatesWhatEveryTaskEarned) {
  const auto si = make_strategy("si", test::toy_context({{"strength", "2"}}));
  ToyLearner learner(*si, images());
  const Batch batch = learner.read({0, 1});
  for (int step = 0; step < 2; ++step) EXPECT_EQ(learner.train(batch, 0.1), 0.0);  // no task has ended
  EXPECT_THAT(learner.state("path").to_vector<float>(), near({0.2F, 0.2F, 0.0F}));
  si->end_task(0);
  const float omega = 0.2F / (0.04F + 1.0F);
  EXPECT_THAT(learner.state("importance").to_vector<float>(), near({omega, omega, 0.0F}));
  EXPECT_THAT(learner.state("path").to_vector<float>(), near({0.0F, 0.0F, 0.0F}));
  EXPECT_THAT(learner.state("anchor").to_vector<float>(), near({-0.2F, 0.2F, 0.0F}));

  EXPECT_EQ(learner.train(batch, 0.1), 0.0);  // at the anchor
  // 0.1 away from it in two coordinates: 2 omega (0.01 + 0.01)
  EXPECT_NEAR(learner.train(batch, 0.1), 2 * omega * 0.02F, 1e-6);
  const float pull = 2 * 2 * omega * 0.1F;  // against the gradient
  EXPECT_THAT(learner.gradient, near({1.0F - pull, -1.0F + pull, 0.0F}));
  // The path counts the method's gradient alone: 1 times the two steps taken.
  const float earned = 0.1F + 0.1F * (1.0F - pull);
  EXPECT_THAT(learner.state("path").to_vector<float>(), near({earned, earned, 0.0F}));
  si->end_task(1);
  const float moved = earned;
  const float second = omega + earned / (moved * moved + 1.0F);  // added to, not replaced
  EXPECT_THAT(learner.state("importance").to_vector<float>(), near({second, second, 0.0F}));
}

// A gradient of 1.5 is clipped to 1, after the path has counted it whole; UCL counts the clipped one, at its own rate.
TEST(SiTest, ClipsBehindThePathAndBeforeUclsSquare) {
  const std::vector<test::Pixel> steep = {{pixel_of(1.5), pixel_of(0), pixel_of(0)},
                                          {pixel_of(1.5), pixel_of(0), pixel_of(0)}};
  const auto path = make_strategy("si", test::toy_context());
  ToyLearner first(*path, steep);
  first.train(first.read({0, 1}), 0.1);
  EXPECT_THAT(first.gradient, near({1.0F, 0.0F, 0.0F}));
  EXPECT_THAT(first.state("path").to_vector<float>(), near({0.15F, 0.0F, 0.0F}));
  const auto ucl = make_strategy("si", test::toy_context({{"mode", "ucl"}}));
  ToyLearner second(*ucl, steep);
  second.train(second.read({0, 1}), 0.1);
  EXPECT_THAT(second.state("path").to_vector<float>(), near({0.03F, 0.0F, 0.0F}));
  const auto free = make_strategy("si", test::toy_context({{"clip", "0"}}));
  ToyLearner third(*free, steep);
  third.train(third.read({0, 1}), 0.1);
  EXPECT_THAT(third.gradient, near({1.5F, 0.0F, 0.0F}));
}

// Batches of two with mean views m: the mean over batches of 2 m^2. A second task keeps half of it.
TEST(EwcTest, FisherIsTheMeanSquaredGradientTimesTheBatch) {
  const auto ewc = make_strategy("ewc", test::toy_context({{"keep", "0.5"}, {"strength", "3"}}));
  ToyLearner learner(*ewc, images());
  EXPECT_EQ(learner.train(learner.read({0, 1}), 0.1), 0.0);
  learner.train(learner.read({2, 3}), 0.1);
  ewc->end_task(0);
  // (2 (1, 1, 0) + 2 (0, 1, 1)) / 2
  EXPECT_THAT(learner.state("fisher").to_vector<float>(), near({1.0F, 2.0F, 1.0F}));
  EXPECT_THAT(learner.passes, testing::Each(Pass::frozen));
  EXPECT_FALSE(learner.weight().grad().defined());

  EXPECT_EQ(learner.train(learner.read({0, 1}), 0.1), 0.0);  // at the anchor
  EXPECT_NEAR(learner.train(learner.read({0, 1}), 0.1), 3 * (1.0 * 0.01 + 2.0 * 0.01), 1e-6);
  ewc->end_task(1);  // images 0 and 1 alone: the task before is not gone over again
  EXPECT_THAT(learner.state("fisher").to_vector<float>(), near({0.5F + 2.0F, 1.0F + 2.0F, 0.5F}));
}

TEST(EwcTest, TakesTheFisherFromAsManyImagesAsAsked) {
  const auto ewc = make_strategy("ewc", test::toy_context({{"fisher-images", "2"}}));
  ToyLearner learner(*ewc, images());
  learner.train(learner.read({0, 1, 2, 3}), 0.1);
  ewc->end_task(0);
  EXPECT_EQ(learner.passes.size(), 1U);  // ids 0 and 2
  EXPECT_THAT(learner.state("fisher").to_vector<float>(), near({0.5F, 0.0F, 0.5F}));
}

// Rows (1, 0) and (0, 2) against (3, 0) twice: cosines 1 and 0.
TEST(LwfTest, DistancesByHand) {
  const Tensor now = Tensor::from(std::vector<float>{1, 0, 0, 2}, {2, 2});
  const Tensor past = Tensor::from(std::vector<float>{3, 0, 3, 0}, {2, 2});
  EXPECT_NEAR(lwf_loss(now, past, {.distance = "cosine", .strength = 3.0F}).item(), 1.5, 1e-6);
  EXPECT_NEAR(lwf_loss(now, past, {.distance = "mse", .strength = 2.0F}).item(), 2.0 * (4 + 9 + 4) / 4, 1e-5);
}

TEST(LwfTest, HoldsFeaturesFromTheSecondTaskOn) {
  for (const std::string norm : {"running", "batch"}) {
    const auto lwf = make_strategy("lwf", test::toy_context({{"distance", "mse"}, {"norm", norm}}));
    ToyLearner learner(*lwf, images(), 2);
    const Batch batch = learner.read({0, 1});
    EXPECT_EQ(learner.train(batch, 0.1), 0.0);  // there is nothing to keep yet
    learner.set_weight({1.0F, 0.0F, 0.0F});
    lwf->end_task(0);
    EXPECT_EQ(learner.train(batch, 0.1), 0.0);  // nothing has moved yet
    learner.set_weight({2.0F, 0.0F, 0.0F});
    EXPECT_NEAR(learner.train(batch, 0.1), 1.0, 1e-6);  // w . x went from 1 to 2
  }
}

}  // namespace
}  // namespace nagare::ssl
