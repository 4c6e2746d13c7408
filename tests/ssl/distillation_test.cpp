// Strategies that distil through a predictor, worked by hand: cassle, pfr, cla; and ccl.
#include "ssl/strategies/distillation.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/device/errors.h"
#include "engine/ops/normalize.h"
#include "ssl/buffers/exemplars.h"
#include "ssl/losses/cassle.h"
#include "ssl/strategies/cassle.h"
#include "ssl/strategies/table.h"
#include "tests/ssl/tiny_run.h"
#include "tests/ssl/toy_learner.h"

namespace nagare::ssl {
namespace {

using test::pixel_of;
using test::ToyLearner;

Tensor rows(const std::vector<float>& values, std::int64_t dim) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size()) / dim, dim});
}

// Two views of two images: cosines 1 and 0, then 0 and -1.
std::vector<PredictedView> two_views() {
  return {{.prediction = rows({2, 0, 0, 1}, 2), .projection = rows({1, 0, 1, 0}, 2)},
          {.prediction = rows({1, 0, 0, 3}, 2), .projection = rows({0, 1, 0, -1}, 2)}};
}

TEST(CassleTest, LossesOfTheFormsByHand) {
  const auto views = two_views();
  // 2 - 2 cos: 0, 2, 2, 4
  EXPECT_NEAR(cassle_loss(DistilledAs::cosine, views, 0.2F).item(), 2.0, 1e-6);
  // squares: 1 0 1 1, 1 1 0 16
  EXPECT_NEAR(cassle_loss(DistilledAs::mse, views, 0.2F).item(), 0.5 * (3.0 / 4 + 18.0 / 4), 1e-6);
  EXPECT_NEAR(cassle_loss(DistilledAs::barlow, views, 0.2F).item(),
              cassle_barlow_loss(views[0], views[1]).item(), 1e-6);
  // Unit rows P: x, y, x, y; Z: x, x, y, -y; T = 1. All four columns stand in each denominator.
  const double e = std::exp(1.0);
  const double x_row = std::log(2 * e + 2);      // P = x: cosines 1 1 0 0
  const double y_row = std::log(2 + e + 1 / e);  // P = y: cosines 0 0 1 -1
  const double past_x = std::log(2 * e + 2);     // Z = x against P: 1 0 1 0
  const double past_down = std::log(2 + 2 / e);  // Z = -y: 0 -1 0 -1
  const double forward = (x_row - 1 + y_row - 0 + x_row - 0 + y_row + 1) / 4;
  const double backward = (past_x - 1 + past_x - 0 + past_x - 0 + past_down + 1) / 4;  // Z = y as Z = x
  EXPECT_NEAR(cassle_loss(DistilledAs::contrastive, views, 1.0F).item(), 0.5 * (forward + backward), 1e-5);
}

TEST(CassleTest, MoreOrFewerThanTwoViewsAreAveraged) {
  const auto two = two_views();
  const std::vector<PredictedView> one{two[0]};
  const std::vector<PredictedView> three{two[0], two[1], two[0]};
  EXPECT_NEAR(cassle_loss(DistilledAs::mse, one, 0.2F).item(), 3.0 / 4, 1e-6);
  EXPECT_NEAR(cassle_loss(DistilledAs::mse, three, 0.2F).item(), (3.0 + 18.0 + 3.0) / 12, 1e-6);
  EXPECT_NEAR(cassle_loss(DistilledAs::cosine, three, 0.2F).item(), (0 + 2 + 2 + 4 + 0 + 2) / 6.0, 1e-6);
}

std::vector<test::Pixel> images() {
  return {{pixel_of(1), pixel_of(-1), pixel_of(0)}, {pixel_of(0), pixel_of(1), pixel_of(1)}};
}

// D = 1: a cosine is the product of signs, and a predictor with one hidden unit is w ReLU(BN(u z)) + b.
TEST(CassleTest, DistilsTheTaskBeforeAndNothingInTheFirst) {
  const auto cassle = make_strategy("cassle", test::toy_context({{"form", "mse"}, {"hidden", "1"}}));
  ToyLearner learner(*cassle, images(), 2);
  const Batch batch = learner.read({0, 1});
  learner.set_weight({1.0F, 0.0F, 0.0F});
  EXPECT_EQ(learner.train(batch, 0.0), 0.0);
  cassle->end_task(0);
  EXPECT_EQ(*learner.state("past.times").data<std::int64_t>(), 1);
  learner.state("predictor.3.weight").fill_zero();
  learner.state("predictor.3.bias").copy_from(Tensor::full({1}, 2.0F));
  // Both views: old projections 10 and 0 against 2 and 2; the form's own strength is 25.
  EXPECT_NEAR(learner.train(batch, 0.0), 25.0 * (64.0 + 4.0) / 2, 1e-2);
  // What is distilled stays what it was.
  learner.set_weight({5.0F, 0.0F, 0.0F});
  EXPECT_NEAR(learner.train(batch, 0.0), 25.0 * (64.0 + 4.0) / 2, 1e-2);
}

TEST(CassleTest, TakesTheFormOfItsMethod) {
  for (const auto& [method, form] :
       std::vector<std::pair<std::string, DistilledAs>>{{"simclr", DistilledAs::contrastive},
                                                        {"moco", DistilledAs::contrastive},
                                                        {"supcon", DistilledAs::contrastive},
                                                        {"barlow", DistilledAs::barlow},
                                                        {"byol", DistilledAs::cosine},
                                                        {"simsiam", DistilledAs::cosine},
                                                        {"swav", DistilledAs::prototypes},
                                                        {"dino", DistilledAs::prototypes},
                                                        {"vicreg", DistilledAs::mse}}) {
    EXPECT_EQ(method_traits(method).distilled_as, form) << method;
    const auto trainer =
        test::tiny_trainer({.strategy = "cassle", .method = method, .options = {{"hidden", "8"}}});
    test::TinyObserver observer;
    trainer->run(observer);
    ASSERT_EQ(observer.steps.size(), 20U);
    const auto has_penalty = [](const StepReport& report) {
      return std::ranges::any_of(report.metrics, [](const Metric& m) { return m.name == "penalty"; });
    };
    EXPECT_FALSE(has_penalty(observer.steps.front())) << method;
    EXPECT_TRUE(has_penalty(observer.steps.back())) << method;
    EXPECT_TRUE(std::isfinite(observer.steps.back().loss)) << method;
  }
}

// The toy's method has no prototypes.
TEST(CassleTest, PrototypesAreNeededWhereTheyAreAskedFor) {
  const auto cassle = make_strategy("cassle", test::toy_context({{"form", "prototypes"}}));
  EXPECT_THAT([&] { ToyLearner(*cassle, images(), 2); },
              testing::ThrowsMessage<BadConfig>(testing::HasSubstr("the method has no prototypes")));
}

// What is kept at a boundary are unit rows of the method's prototypes; those that are learned stand beside the predictor.
TEST(CassleTest, PrototypesOfTheTaskBeforeAreKept) {
  for (const std::string method : {"swav", "dino"}) {
    const auto trainer =
        test::tiny_trainer({.strategy = "cassle", .method = method, .options = {{"hidden", "8"}}});
    test::TinyObserver observer(10);  // the last update of the first task
    observer.watch(*trainer);
    trainer->run(observer);
    const auto saved = [&](const std::string& name) {
      return std::ranges::find(observer.saved, name, &std::pair<std::string, Tensor>::first)->second;
    };
    nn::StateList end;
    trainer->list_state(end);
    EXPECT_EQ(saved("strategy.prototypes.old").to_vector<float>(), std::vector<float>(10 * 12)) << method;
    const Tensor first = l2_normalize(saved("method.prototypes.weight"));
    const std::vector<float> last = end.find("method.prototypes.weight")->tensor.to_vector<float>();
    EXPECT_NE(first.to_vector<float>(), last) << method;
    // end_task() has run once more, at the end of the stream.
    const Tensor old = end.find("strategy.prototypes.old")->tensor;
    EXPECT_THAT(old.to_vector<float>(),
                testing::Pointwise(
                    testing::FloatNear(1e-6F),
                    l2_normalize(end.find("method.prototypes.weight")->tensor.detach()).to_vector<float>()));
    EXPECT_FALSE(
        test::same_bits(saved("strategy.prototypes.weight"), end.find("strategy.prototypes.weight")->tensor))
        << method;
  }
}

// D = 1, K = 2: z^ = 1 against F = (1, -1) at T = 1 is p = (0.8808, 0.1192); p^ = -1 against N = (1, 1) is (1/2, 1/2).
TEST(CassleTest, PrototypeFormByHand) {
  const auto column = [](std::vector<float> values) {
    const auto rows = static_cast<std::int64_t>(values.size());
    return Tensor::from(values, {rows, 1});
  };
  const PredictedView view{.prediction = column({-3.0F}), .projection = column({5.0F})};
  EXPECT_NEAR(cassle_prototype_loss(view, {.old = column({1, -1}), .learned = column({1, 1})}, 1.0F).item(),
              std::log(2.0), 1e-6);
  // Against N = F: -0.8808 log 0.1192 - 0.1192 log 0.8808.
  EXPECT_NEAR(cassle_prototype_loss(view, {.old = column({1, -1}), .learned = column({1, -1})}, 1.0F).item(),
              1.8885222, 1e-5);
  EXPECT_THAT(
      [&] {
        cassle_prototype_loss(view, {.old = column({1, -1}), .learned = column({1})}, 1.0F);
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("prototypes (2, 1) and (1, 1)")));
}

// The gradient that reaches the predictor does not depend on a strength below 1.
TEST(CassleTest, AWeakDistillationDoesNotSlowThePredictor) {
  const auto gradient_at = [](const std::string& strength) {
    const auto cassle = make_strategy(
        "cassle", test::toy_context({{"form", "cosine"}, {"hidden", "2"}, {"strength", strength}}));
    ToyLearner learner(*cassle,
                       {{pixel_of(1), pixel_of(0), pixel_of(0)}, {pixel_of(-1), pixel_of(0), pixel_of(0)}});
    learner.set_weight({1.0F, 0.0F, 0.0F});
    cassle->end_task(0);
    // D = 1: cosines do not depend on lengths, so their gradient is 0 there and 0 it must stay.
    learner.train(learner.read({0, 1}), 0.0);
    return learner.state("predictor.3.weight").grad().to_vector<float>();
  };
  const auto weak = gradient_at("0.25");
  const auto full = gradient_at("1");
  ASSERT_EQ(weak.size(), full.size());
  for (std::size_t i = 0; i < weak.size(); ++i) EXPECT_NEAR(weak[i], full[i], 1e-5F);
}

TEST(PfrTest, HoldsWhatThePredictorMakesOfTheFeatures) {
  const auto pfr = make_strategy("pfr", test::toy_context({{"hidden", "1"}, {"strength", "3"}}));
  ToyLearner learner(*pfr, images(), 2);
  const Batch batch = learner.read({0, 1});
  learner.set_weight({1.0F, 0.0F, -1.0F});
  EXPECT_EQ(learner.train(batch, 0.0), 0.0);
  pfr->end_task(0);
  learner.state("predictor.3.weight").fill_zero();
  learner.state("predictor.3.bias").copy_from(Tensor::full({1}, 2.0F));
  // Features 1 and -1 of the old network against 2 and 2: cosines 1 and -1.
  EXPECT_NEAR(learner.train(batch, 0.0), 0.0, 1e-6);
  learner.set_weight({1.0F, 0.0F, 1.0F});
  pfr->end_task(1);
  // 1 and 1: every cosine is 1.
  learner.set_weight({-1.0F, 0.0F, -1.0F});
  EXPECT_NEAR(learner.train(batch, 0.0), -3.0, 1e-6);
}

// f(x) = w . x, projection 10 f: stored on arrival, compared with it when replayed, moved half-way towards today's.
TEST(ClaTest, AlignsReplayedProjectionsWithStoredOnes) {
  const auto cla =
      make_strategy("cla", test::toy_context({{"criterion", "mse"}, {"hidden", "1"}, {"strength", "0.5"}}));
  ToyLearner learner(*cla, images(), 2);
  const Batch batch = learner.read({0, 1});
  learner.set_weight({1.0F, 0.0F, 0.0F});
  EXPECT_EQ(learner.train(batch, 0.0), 0.0);  // nothing is stored
  EXPECT_THAT(cla->stored_ids(), testing::ElementsAre(0, 1));
  EXPECT_THAT(learner.state("reservoir.payload").rows(0, 2).reshaped({2}).to_vector<float>(),
              testing::ElementsAre(10.0F, 0.0F));
  learner.state("predictor.3.weight").fill_zero();
  learner.state("predictor.3.bias").copy_from(Tensor::full({1}, 4.0F));
  learner.set_weight({2.0F, 1.0F, 0.0F});
  // 4 against 10 and 0, the same in both views
  EXPECT_NEAR(learner.train(batch, 0.0), 0.5 * (36.0 + 16.0) / 2, 1e-4);
  EXPECT_EQ(learner.composed.ids.size(), 4U);
  // (10 + 10 (2 - 1)) / 2 and (0 + 10) / 2
  EXPECT_THAT(learner.state("reservoir.payload").rows(0, 2).reshaped({2}).to_vector<float>(),
              testing::ElementsAre(10.0F, 5.0F));
}

TEST(ClaTest, TheMovingAverageIsAlignedWithFromTheFirstUpdateOn) {
  const auto cla = make_strategy("cla", test::toy_context({{"variant", "ema"},
                                                           {"criterion", "mse"},
                                                           {"hidden", "1"},
                                                           {"strength", "1"},
                                                           {"momentum", "0.75"}}));
  ToyLearner learner(*cla, images(), 2);
  learner.state("predictor.3.weight").fill_zero();
  learner.state("predictor.3.bias").copy_from(Tensor::full({1}, 2.0F));
  const Batch batch = learner.read({0, 1});
  learner.set_weight({4.0F, 0.0F, 0.0F});
  EXPECT_NEAR(learner.train(batch, 0.0), 4.0, 1e-5);  // the average is still 0: 2 against 0 twice
  // 0.75 0 + 0.25 4 = 1: projections 10 and 0
  EXPECT_NEAR(learner.train(batch, 0.0), (64.0 + 4.0) / 2, 1e-4);
  EXPECT_TRUE(cla->stored_ids().empty());
}

TEST(ClaTest, EveryVariantRunsAndResumesWithTheSameBytes) {
  for (const std::string variant : {"ema", "stored", "ema-replay", "hybrid"}) {
    for (const std::string method : {"simsiam", "emp-ssl-contrastive"}) {
      const test::TinyRun run{.strategy = "cla",
                              .method = method,
                              .options = {{"variant", variant}, {"hidden", "4"}, {"criterion", "method"}},
                              .epochs = 2,
                              .stream = "seq:2,boundaries=hidden"};
      const auto whole = test::tiny_trainer(run);
      test::TinyObserver observer(5);
      observer.watch(*whole);
      whole->run(observer);
      EXPECT_TRUE(std::isfinite(observer.steps.back().loss)) << variant;
      const auto resumed = test::tiny_trainer(run);
      test::restore(*resumed, observer.saved);
      test::TinyObserver rest;
      resumed->run(rest);
      const auto want = test::save(*whole);
      const auto got = test::save(*resumed);
      for (std::size_t i = 0; i < want.size(); ++i)
        EXPECT_TRUE(test::same_bits(want[i].second, got[i].second)) << variant << " " << want[i].first;
    }
  }
}

TEST(ClaTest, AHybridBufferAlignsInDirectionOnly) {
  EXPECT_THROW(make_strategy("cla", test::toy_context({{"variant", "hybrid"}, {"criterion", "mse"}})),
               BadConfig);
}

// Points around 0 and around 10: two groups, whatever the draw.
TEST(ExemplarsTest, GroupsAreTheClusters) {
  const Tensor points = rows({0, 10, 0.5F, 10.5F, -0.5F, 9.5F}, 1);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto groups = k_means(points, 2, {.seed = seed, .purpose = Purpose::exemplars});
    EXPECT_EQ(groups[0], groups[2]);
    EXPECT_EQ(groups[0], groups[4]);
    EXPECT_EQ(groups[1], groups[3]);
    EXPECT_EQ(groups[1], groups[5]);
    EXPECT_NE(groups[0], groups[1]);
  }
  EXPECT_THAT(k_means(rows({1, 1, 1}, 1), 3, {}), testing::Each(0));  // as many as are told apart
  EXPECT_THROW(k_means(points, 0, {}), std::invalid_argument);
}

// Image 0: two equal views, variance 0. Image 1: (1, 0) and (0, 1), mean (s, s): 2 (2 - 2 s), s = 1 / sqrt 2.
TEST(ExemplarsTest, TheSteadiestOfEveryGroupAreTaken) {
  const Tensor views = Tensor::from(std::vector<float>{1, 0, 1, 0, 1, 0, 0, 1}, {2, 2, 2});
  const std::vector<double> scores = view_variance(views);
  EXPECT_NEAR(scores[0], 0.0, 1e-12);
  EXPECT_NEAR(scores[1], 4.0 - 4.0 / std::sqrt(2.0), 1e-6);
  EXPECT_THAT(smallest_of_groups({3, 1, 2, 1, 5}, {0, 0, 0, 0, 1}, 2), testing::ElementsAre(1, 3, 4));
}

TEST(CclTest, StoresExemplarsOfATaskAndRemembersTheirKeys) {
  const test::TinyRun run{
      .strategy = "ccl", .method = "moco", .options = {{"groups", "2"}, {"views", "2"}, {"queue", "16"}}};
  auto method = test::tiny_method("moco");
  auto strategy = make_strategy("ccl", test::tiny_context(*method, run.options, "moco"));
  const Strategy* ccl = strategy.get();
  const auto trainer = test::tiny_trainer(std::move(method), std::move(strategy), run);
  test::TinyObserver observer;
  trainer->run(observer);
  ASSERT_EQ(observer.steps.size(), 20U);
  EXPECT_EQ(observer.steps.front().trained_images, 8);
  EXPECT_EQ(observer.steps.back().trained_images, 8 + 6);  // all exemplars of the first task
  EXPECT_EQ(ccl->stored_ids().size(), 12U);                // 12 of capacity: 6 for each of 2 tasks
  const auto is_finite = [](const StepReport& report) { return std::isfinite(report.loss); };
  EXPECT_TRUE(std::ranges::all_of(observer.steps, is_finite));
  nn::StateList list;
  ccl->list_state(list);
  EXPECT_EQ(list.find("exemplars.queue")->tensor.shape()[0], 16);
  EXPECT_EQ(*list.find("past.times")->tensor.data<std::int64_t>(), 2);
}

TEST(CclTest, OtherMethodsAreRefused) {
  const auto ccl = make_strategy("ccl", test::toy_context());
  EXPECT_THAT([&] { ToyLearner(*ccl, images()); },
              testing::ThrowsMessage<BadConfig>(testing::HasSubstr("queue of keys")));
}

}  // namespace
}  // namespace nagare::ssl
