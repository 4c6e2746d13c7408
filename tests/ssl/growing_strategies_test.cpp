// Osiris, SCALE and progressive networks, worked by hand.
#include <gmock/gmock.h>

#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/reduce.h"
#include "models/progressive.h"
#include "ssl/buffers/spread.h"
#include "ssl/eval/feature_input.h"
#include "ssl/losses/osiris.h"
#include "ssl/losses/scale.h"
#include "tests/ssl/tiny_run.h"
#include "tests/ssl/toy_learner.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor rows(const std::vector<float>& values, std::int64_t dim) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size()) / dim, dim});
}

bool has_penalty(const StepReport& report) {
  return std::ranges::any_of(report.metrics, [](const Metric& m) { return m.name == "penalty"; });
}

// One image with the views x and y against one with x twice; T = 1.
TEST(OsirisTest, OnlyTheOtherSetsRowsAreNegatives) {
  const Tensor a = rows({1, 0, 0, 1}, 2);
  const Tensor b = rows({2, 0, 3, 0}, 2);
  const double e = std::exp(1.0);
  const double from_a = 0.5 * (std::log(1 + 2 * e) + std::log(3.0));
  const double from_b = std::log(2 * e + 1) - 1;
  EXPECT_NEAR(osiris_cross_loss(a, b, 1.0F).item(), 0.5 * (from_a + from_b), 1e-6);
  EXPECT_NEAR(osiris_cross_loss(b, a, 1.0F).item(), 0.5 * (from_a + from_b), 1e-6);
  EXPECT_THROW(osiris_cross_loss(rows({1, 0}, 2), b, 1.0F), std::invalid_argument);
}

// Two images, x and y in both views: of the four columns the other view of the row's image is left out.
TEST(OsirisTest, DistillationLeavesOutBothViewsOfTheImage) {
  const Tensor one = rows({1, 0, 0, 1}, 2);
  EXPECT_NEAR(osiris_distillation_loss(one, one, 0.1F).item(), 0.0, 1e-6);
  const Tensor two = rows({1, 0, 0, 1, 1, 0, 0, 1}, 2);
  EXPECT_NEAR(osiris_distillation_loss(two, two, 1.0F).item(), std::log(std::exp(1.0) + 2) - 1, 1e-6);
  EXPECT_THROW(osiris_distillation_loss(one, two, 1.0F), std::invalid_argument);
}

TEST(OsirisTest, NeedsAProjectorAndTwoViews) {
  const auto osiris = make_strategy("osiris", test::toy_context());
  EXPECT_THAT(
      [&] {
        test::ToyLearner(*osiris, {test::Pixel{1, 1, 1}}, 2);
      },
      ThrowsMessage<BadConfig>(HasSubstr("without a projector")));
}

TEST(OsirisTest, BothVariantsActFromTheSecondTaskOn) {
  for (const std::string variant : {"replay", "distil"}) {
    const auto trainer =
        test::tiny_trainer({.strategy = "osiris", .method = "simclr", .options = {{"variant", variant}}});
    test::TinyObserver observer(11);
    observer.watch(*trainer);
    trainer->run(observer);
    for (std::size_t i = 0; i < observer.steps.size(); ++i) {
      EXPECT_EQ(has_penalty(observer.steps[i]), i >= 10) << variant << " " << i;
      EXPECT_TRUE(std::isfinite(observer.steps[i].loss));
    }
  }
}

// Without an update in between, the second head is the first one as it was when the second task began.
TEST(OsirisTest, TheSecondHeadStartsFromTheFirst) {
  const auto trainer = test::tiny_trainer({.strategy = "osiris", .method = "simclr", .learning_rate = 0.05});
  test::TinyObserver before(10);
  before.watch(*trainer);
  trainer->run(before);
  const auto find = [](const test::SavedState& saved, const std::string& name) {
    return std::ranges::find(saved, name, &std::pair<std::string, Tensor>::first)->second;
  };
  const auto again = test::tiny_trainer({.strategy = "osiris", .method = "simclr", .learning_rate = 0.0});
  test::restore(*again, before.saved);
  test::TinyObserver after(11);
  after.watch(*again);
  again->run(after);
  EXPECT_TRUE(test::same_bits(find(after.saved, "strategy.head.0.weight"),
                              find(before.saved, "method.projector.0.weight")));
  EXPECT_FALSE(test::same_bits(find(before.saved, "strategy.head.0.weight"),
                               find(before.saved, "method.projector.0.weight")));
}

// Images 0 and 1 are the same, image 2 is another: by 2 - 2 c over T = 1, S_01 is the largest.
TEST(ScaleTest, PositivesAreTheAlikeOnesAndTheImageItself) {
  const Tensor features = rows({1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1}, 2);
  const auto positives = scale_positives(features, 3, 1.0F, 0.5F);
  EXPECT_THAT(positives[0], ElementsAre(true, true, false));
  EXPECT_THAT(positives[1], ElementsAre(true, true, false));
  EXPECT_THAT(positives[2], ElementsAre(false, false, true));
  EXPECT_THAT(scale_positives(features, 1, 1.0F, 0.5F), ElementsAre(ElementsAre(true)));
  EXPECT_THROW(scale_positives(features, 4, 1.0F, 0.5F), std::invalid_argument);
}

// One arriving image with both views x, and a remembered one with y; T = 1: each anchor has the cosines 1, 0, 0 with the others.
TEST(ScaleTest, RememberedRowsAreNegativesOnly) {
  const Tensor z = rows({1, 0, 0, 1, 1, 0, 0, 1}, 2);
  EXPECT_NEAR(scale_contrast_loss(z, {{true}}, 1.0F).item(), std::log(std::exp(1.0) + 2) - 1, 1e-6);
  // Both arrive and are alike: the mean over three partners of the cosines 1, 0, 0
  EXPECT_NEAR(scale_contrast_loss(z, {{true, true}, {true, true}}, 1.0F).item(),
              std::log(std::exp(1.0) + 2) - 1.0 / 3, 1e-6);
}

// Cosines of x, y, x: row 0 has (0, 1), row 1 has (0, 0), row 2 has (1, 0).
TEST(ScaleTest, RelationsAreACrossEntropy) {
  const Tensor z = rows({1, 0, 0, 1, 1, 0}, 2);
  const double e = std::exp(1.0);
  const double p = e / (1 + e);
  const double skew = std::log(1 + e) - p;  // -p ln p - (1 - p) ln (1 - p)
  EXPECT_NEAR(scale_relation_loss({.rows = z, .temperature = 1.0F}, {.rows = z, .temperature = 1.0F}).item(),
              (2 * skew + std::log(2.0)) / 3, 1e-6);
  EXPECT_THROW(scale_relation_loss({.rows = rows({1, 0}, 2)}, {.rows = rows({1, 0}, 2)}),
               std::invalid_argument);
}

// 0 .. 10 on a line: cut at 5, then the half with the larger range at its middle.
TEST(SpreadTest, PartsAndSelects) {
  const Tensor line = rows({0, 1, 2, 10}, 1);
  EXPECT_THAT(spread_rows(line, 1), ElementsAre(2));        // nearest 5
  EXPECT_THAT(spread_rows(line, 2), ElementsAre(1, 3));     // of 0 1 2 the middle, and 10
  EXPECT_THAT(spread_rows(line, 3), ElementsAre(0, 2, 3));  // 0 1 | 2 | 10: of two equally near the first
  EXPECT_THAT(spread_rows(line, 9), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(spread_rows(rows({4, 4, 4}, 1), 2), ElementsAre(0, 1));  // equal rows
  EXPECT_THROW(spread_rows(line, 0), std::invalid_argument);
}

TEST(ScaleTest, TheContrastStandsInForTheMethodsLoss) {
  for (const auto& [loss, past] : std::vector<std::pair<std::string, std::string>>{
           {"pseudo", "update"}, {"pseudo", "batch"}, {"method", "batch"}}) {
    auto method = test::tiny_method("simclr");
    const test::TinyRun run{.strategy = "scale",
                            .method = "simclr",
                            .options = {{"loss", loss}, {"past", past}},
                            .stream = "seq:2,boundaries=hidden"};
    auto strategy = make_strategy("scale", test::tiny_context(*method, run.options, "simclr"));
    const Strategy* scale = strategy.get();
    const auto trainer = test::tiny_trainer(std::move(method), std::move(strategy), run);
    test::TinyObserver observer;
    trainer->run(observer);
    for (const StepReport& report : observer.steps) {
      ASSERT_TRUE(std::isfinite(report.loss));
      const auto penalty = std::ranges::find(report.metrics, "penalty", &Metric::name);
      ASSERT_NE(penalty, report.metrics.end());
      EXPECT_EQ(penalty->value == report.loss, loss == "pseudo");
    }
    EXPECT_EQ(scale->stored_ids().size(), 12U);
    nn::StateList list;
    scale->list_state(list);
    EXPECT_GT(list.find("weight")->tensor.item(), 0.0);
  }
}

Tensor images() { return Tensor::full({2, 8, 8, 3}, 0.5F); }

TEST(ProgressiveTest, TheFirstColumnIsThePlainNetwork) {
  const models::ResNetOptions options{.width = 2, .seed = 3};
  models::Progressive columns(options, 2);
  models::ResNet plain(options);
  EXPECT_EQ(columns.in_use(), 1);
  EXPECT_TRUE(test::same_bits(columns.forward(images(), false), plain.forward(images(), false)));
}

TEST(ProgressiveTest, ANewColumnHearsTheOldOnesAndLeavesThemAlone) {
  models::Progressive columns({.width = 2, .seed = 3}, 2);
  const Tensor first = columns.forward(images(), false);
  columns.grow();
  EXPECT_EQ(columns.in_use(), 2);
  EXPECT_TRUE(test::same_bits(columns.task_features(images(), 0), first));
  const Tensor second = columns.forward(images(), false);
  EXPECT_FALSE(test::same_bits(second, first));
  EXPECT_TRUE(test::same_bits(columns.task_features(images(), 1), second));
  EXPECT_TRUE(test::same_bits(columns.task_features(images(), 7), second));
  nn::StateList list;
  columns.list_state(list);
  // Silent laterals change the second column; what the first does is heard by nothing then.
  for (int stage = 1; stage <= 4; ++stage)
    list.find("laterals.1." + std::to_string(stage) + ".alpha")->tensor.fill_zero();
  EXPECT_FALSE(test::same_bits(columns.forward(images(), false), second));
  tape::backward(mean(columns.forward(images(), true)));
  for (const nn::StateEntry& entry : list.parameters()) {
    EXPECT_EQ(entry.tensor.grad().defined(), !entry.name.starts_with("columns.0")) << entry.name;
  }
  EXPECT_THROW(columns.grow(), std::invalid_argument);
  EXPECT_THROW(models::Progressive({.width = 2}, 0), std::invalid_argument);
}

// Told the task, an image is read by its task's column, whatever was grown since.
TEST(ProgressiveTest, AnEvaluationReadsEveryTaskInItsColumn) {
  models::Progressive columns({.width = 2, .seed = 3}, 2);
  const Tensor pixels = test::tiny_split(4).images.rows(0, 2);
  const FeatureInput input{.mean = {0.5F, 0.5F, 0.5F}, .std = {0.25F, 0.25F, 0.25F}, .size = test::kTinySize};
  const auto first = extract_features(columns, pixels, input, 2).to_vector<float>();
  columns.grow();
  const auto second = extract_features(columns, pixels, input, 2).to_vector<float>();
  const auto by_task = extract_task_features(columns, pixels, {1, 0}, input, 2).to_vector<float>();
  const std::size_t half = first.size() / 2;
  for (std::size_t i = 0; i < first.size(); ++i)
    EXPECT_NEAR(by_task[i], i < half ? second[i] : first[i], 1e-5F);
}

TEST(ProgressiveTest, ACopyGrowsWithIt) {
  models::Progressive columns({.width = 2, .seed = 3}, 3);
  const auto copy = columns.clone();
  columns.grow();
  EXPECT_TRUE(test::same_bits(copy->forward(images(), false), columns.forward(images(), false)));
}

TEST(PnnTest, GrowsAColumnATaskAndFreezesTheOlder) {
  for (const std::string method : {"simsiam", "moco", "supervised"}) {
    const test::TinyRun run{.strategy = "pnn", .method = method};
    const auto trainer = test::tiny_trainer(run);
    test::TinyObserver observer(10);  // the last update of the first task
    observer.watch(*trainer);
    trainer->run(observer);
    for (const StepReport& report : observer.steps) {
      const auto columns = std::ranges::find(report.metrics, "pnn_columns", &Metric::name);
      ASSERT_NE(columns, report.metrics.end());
      EXPECT_EQ(columns->value, report.progress.step <= 10 ? 1 : 2);
    }
    const auto end = test::save(*trainer);
    for (std::size_t i = 0; i < end.size(); ++i) {
      const std::string& name = end[i].first;
      const bool same = test::same_bits(observer.saved[i].second, end[i].second);
      if (name.starts_with("method.backbone.columns.0")) {
        EXPECT_TRUE(same) << method << " " << name;
      } else if (name == "method.backbone.columns.1.conv1.weight") {
        EXPECT_FALSE(same) << method;
      }
    }
    // A run that goes on from there has as many columns.
    const auto resumed = test::tiny_trainer(run);
    test::restore(*resumed, end);
    EXPECT_EQ(dynamic_cast<models::Progressive&>(resumed->method().backbone()).in_use(), 2);
  }
}

TEST(PnnTest, NeedsAColumnForEveryTask) {
  const auto pnn = make_strategy("pnn", test::toy_context());
  EXPECT_THAT(
      [&] {
        test::ToyLearner(*pnn, {test::Pixel{1, 1, 1}});
      },
      ThrowsMessage<BadConfig>(HasSubstr("one for every task")));
  EXPECT_EQ(model_under("pnn", "resnet18", 5), "resnet18:columns=5");
  EXPECT_EQ(model_under("pnn", "resnet18:width=4", 5), "resnet18:width=4,columns=5");
  EXPECT_EQ(model_under("er", "resnet18", 5), "resnet18");
}

}  // namespace
}  // namespace nagare::ssl
