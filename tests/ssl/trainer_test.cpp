// The training loop and its hooks, on runs of milliseconds.
#include <gmock/gmock.h>

#include <cmath>

#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "ssl/strategies/past_network.h"
#include "tests/ssl/tiny_run.h"
#include "tests/ssl/tiny_runs.h"

namespace nagare::ssl {
namespace {

using namespace test;  // NOLINT: the tiny run is what this file is about
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Writes down which hooks are called, and has a parameter of its own.
class Probe final : public Strategy {
 public:
  explicit Probe(std::vector<std::string>& calls) : calls_(calls) {}

  void attach(Learner& learner) override {
    calls_.push_back("attach");
    learner_ = &learner;
    weight_ = Tensor::full({3}, 2.0F);
    weight_.set_requires_grad(true);
  }
  void begin_task(std::int64_t task) override { calls_.push_back("begin " + std::to_string(task)); }
  void arrive(const Batch& /*batch*/) override { calls_.push_back("arrive"); }
  Batch compose(const Batch& batch, const Progress& /*progress*/) override {
    calls_.push_back("compose");
    return batch;
  }
  Views mix(const Views& views, const Batch& batch, const Progress& /*progress*/) override {
    EXPECT_EQ(views.batch, static_cast<std::int64_t>(batch.ids.size()));
    calls_.push_back("mix");
    mixed_ = scale(views.images, 0.5F);
    return {.images = mixed_, .views = views.views, .batch = views.batch};
  }
  Tensor penalty(const Update& update) override {
    calls_.push_back("penalty");
    EXPECT_EQ(update.views.images.raw(), mixed_.raw());  // what the method saw is what mix() gave
    EXPECT_TRUE(update.output.features.all().requires_grad());
    EXPECT_EQ(update.output.projections.view(1, 2).shape()[0], update.views.batch);
    return sum(weight_);
  }
  void edit_gradients(const Update& /*update*/) override {
    calls_.push_back("edit");
    EXPECT_FLOAT_EQ(weight_.grad().to_vector<float>()[0], 1.0F);
  }
  void after_step(const Update& /*update*/) override { calls_.push_back("after"); }
  std::vector<Metric> metrics() const override { return {{"probe", 4.0}}; }
  void finish(const Batch& /*batch*/) override { calls_.push_back("finish"); }
  void end_task(std::int64_t task) override { calls_.push_back("end " + std::to_string(task)); }
  void list_state(nn::StateList& list) const override { list.add("own", weight_, nn::Role::weight); }

  Learner& learner() const { return *learner_; }
  float own() const { return weight_.to_vector<float>()[0]; }

 private:
  std::vector<std::string>& calls_;
  Learner* learner_ = nullptr;
  Tensor weight_;
  Tensor mixed_;
};

TEST(TrainerTest, CallsTheHooksInTheirOrderAndTrainsTheStrategysParameters) {
  std::vector<std::string> calls;
  auto strategy = std::make_unique<Probe>(calls);
  const Probe& probe = *strategy;
  const auto trainer =
      tiny_trainer(tiny_method("simsiam"), std::move(strategy), {.epochs = 1, .steps_per_batch = 2});
  TinyObserver observer;
  trainer->run(observer);
  const std::vector<std::string> update = {"compose", "mix", "penalty", "edit", "after"};
  std::vector<std::string> want = {"attach"};
  for (const std::string task : {"0", "1"}) {
    want.push_back("begin " + task);
    for (int batch = 0; batch < 2; ++batch) {
      want.push_back("arrive");
      for (int k = 0; k < 2; ++k) want.insert(want.end(), update.begin(), update.end());
      want.push_back("finish");
    }
    want.push_back("end " + task);
  }
  EXPECT_EQ(calls, want);
  EXPECT_LT(probe.own(), 2.0F - 8 * 0.01F);  // at least eight steps of a gradient of 1
  nn::StateList list;
  trainer->list_state(list);
  EXPECT_NE(list.find("strategy.own"), nullptr);
  EXPECT_NE(list.find("optimizer.momentum.strategy.own"), nullptr);
  ASSERT_EQ(observer.steps.size(), 8U);
  const std::vector<Metric>& metrics = observer.steps.back().metrics;
  const auto value = [&](const std::string& name) {
    const auto found = std::ranges::find(metrics, name, &Metric::name);
    return found == metrics.end() ? NAN : found->value;
  };
  EXPECT_EQ(value("probe"), 4.0);
  EXPECT_NEAR(value("penalty"), 3 * probe.own(), 0.2);
}

TEST(TrainerTest, ALearnerGivesViewsLossesAndImages) {
  std::vector<std::string> calls;
  auto strategy = std::make_unique<Probe>(calls);
  const Probe& probe = *strategy;
  const auto trainer = tiny_trainer(tiny_method("supervised"), std::move(strategy), {});
  Learner& learner = probe.learner();
  const Batch batch = learner.read({3, 1, 3});
  EXPECT_THAT(batch.ids, ElementsAre(3, 1, 3));
  EXPECT_TRUE(same_bits(batch.images.rows(1, 1), tiny_dataset().train.images.rows(1, 1)));
  const ViewPlan& plan = learner.method().view_plan();
  const Views first = learner.views(batch, plan, 5, 1);
  EXPECT_TRUE(same_bits(first.images, learner.views(batch, plan, 5, 1).images));
  EXPECT_FALSE(same_bits(first.images, learner.views(batch, plan, 5, 2).images));
  EXPECT_FALSE(same_bits(first.images, learner.views(batch, plan, 5, 0).images));
  EXPECT_THROW(learner.views(batch, plan, 5, 65536), std::invalid_argument);
  const SavedState before = save(*trainer);
  EXPECT_TRUE(std::isfinite(learner.extra_loss(first, batch, Pass::frozen).loss.item()));  // labels by id
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(same_bits(before[i].second, save(*trainer)[i].second));
  EXPECT_THROW(learner.extra_loss(first, batch, Pass::step), std::invalid_argument);
  EXPECT_EQ(learner.train_images(), kTinyImages);
  EXPECT_EQ(learner.tasks(), 2);
}

// Two tasks of 4 and 3 updates; base 0.4, two steps of warm-up from 0.1, a cosine to 0 (engine/optim/schedule.h).
std::vector<double> rates(bool restart) {
  TrainOptions options;
  options.schedule = {.name = "warmup_cosine", .base = 0.4, .start = 0.1, .warmup_steps = 2};
  options.restart_schedule = restart;
  const Dataset& data = tiny_dataset();
  Stream stream = make_stream(data, {.spec = "seq:2", .batch = kTinyBatch, .epochs = 2, .seed = 7});
  stream.batches.pop_back();
  auto method = tiny_method("simsiam");
  auto strategy = make_strategy("finetune", tiny_context(*method, {}));
  Trainer trainer(data, std::move(stream), std::move(method), std::move(strategy), options);
  TinyObserver observer;
  trainer.run(observer);
  std::vector<double> rates;
  for (const StepReport& report : observer.steps) rates.push_back(report.learning_rate);
  return rates;
}

TEST(TrainerTest, ASchedulesRestartGivesEveryTaskItsOwn) {
  using testing::DoubleNear;
  const auto at = [](double rate) { return DoubleNear(rate, 1e-12); };
  EXPECT_THAT(rates(true), ElementsAre(at(0.1), at(0.4), at(0.4), at(0.2), at(0.1), at(0.4), at(0.4)));
  const double third = 0.2 * (1.0 + std::cos(0.6 * M_PI));
  const double last = 0.2 * (1.0 + std::cos(0.8 * M_PI));
  const double first = 0.2 * (1.0 + std::cos(0.2 * M_PI));
  const double second = 0.2 * (1.0 + std::cos(0.4 * M_PI));
  EXPECT_THAT(rates(false),
              ElementsAre(at(0.1), at(0.4), at(0.4), at(first), at(second), at(third), at(last)));
}

// A run of 4 updates a task. What follows the boundary is what an optimiser without a past makes of the network there.
TEST(TrainerTest, AnOptimisersRestartForgetsAtTheBoundaryAlone) {
  const TinyRun with{.strategy = "cassle", .epochs = 2, .restart = true};
  const auto end_of = [&](const TinyRun& run, const SavedState& from, const auto& edit) {
    const auto trainer = tiny_trainer(run);
    if (!from.empty()) restore(*trainer, from);
    nn::StateList list;
    trainer->list_state(list);
    edit(list);
    TinyObserver observer;
    trainer->run(observer);
    return save(*trainer);
  };
  const auto same = [](const SavedState& a, const SavedState& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (!same_bits(a[i].second, b[i].second)) return false;
    }
    return true;
  };
  const auto nothing = [](const nn::StateList&) {};
  const auto forget = [](const nn::StateList& list) {
    for (const nn::StateEntry& entry : list.entries()) {
      if (entry.name.starts_with("optimizer.")) entry.tensor.fill_zero();
    }
  };
  for (const std::int64_t step : {2, 4, 5}) {
    const auto trainer = tiny_trainer(with);
    TinyObserver observer(step);
    observer.watch(*trainer);
    trainer->run(observer);
    const SavedState end = save(*trainer);
    EXPECT_TRUE(same(end_of(with, observer.saved, nothing), end)) << "resumed after step " << step;
    TinyRun without = with;
    without.restart = false;
    EXPECT_EQ(same(end_of(without, observer.saved, nothing), end), step == 5) << step;
    EXPECT_EQ(same(end_of(without, observer.saved, forget), end), step == 4) << step;
  }
}

// Two tasks of 2 updates.
TEST(TrainerTest, LengthsOfAScheduleThatDoNotFitAreNamed) {
  const auto make = [](const optim::ScheduleOptions& schedule, bool restart) {
    TrainOptions options;
    options.schedule = schedule;
    options.restart_schedule = restart;
    auto method = tiny_method("simsiam");
    auto strategy = make_strategy("finetune", tiny_context(*method, {}));
    Trainer(tiny_dataset(), make_stream(tiny_dataset(), {.spec = "seq:2", .batch = kTinyBatch, .seed = 7}),
            std::move(method), std::move(strategy), options);
  };
  const auto refused = [&](const optim::ScheduleOptions& schedule, bool restart, const char* what) {
    EXPECT_THAT([&] { make(schedule, restart); }, ThrowsMessage<BadConfig>(HasSubstr(what)));
  };
  optim::ScheduleOptions schedule{.name = "warmup_cosine", .warmup_steps = 5};
  refused(schedule, false,
          "--schedule.warmup-steps is 5 updates of the run, and the run has 4: need at most 4");
  schedule.warmup_steps = 3;
  EXPECT_NO_THROW(make(schedule, false));
  refused(schedule, true,
          "--schedule.warmup-steps is 3 updates of every task (--schedule.restart task), and task 1 has 2: "
          "need at most 2");
  schedule = {.name = "step", .milestones = {1, 4}};
  refused(schedule, false, "--schedule.milestones ends at update 4 of the run, and the run has 4: need less");
  schedule.milestones = {1, 3};
  EXPECT_NO_THROW(make(schedule, false));
  refused(schedule, true, "update 3 of every task (--schedule.restart task), and the longest task has 2");
}

// A penalty and a metric as they are told to be, from the second update on.
class Spoilt final : public Strategy {
 public:
  Spoilt(float penalty, double metric) : penalty_(penalty), metric_(metric) {}
  Tensor penalty(const Update& update) override {
    return update.progress.step > 0 ? Tensor::full({}, penalty_) : Tensor();
  }
  std::vector<Metric> metrics() const override { return {{"spoilt", metric_}}; }
  void list_state(nn::StateList& /*list*/) const override {}

 private:
  float penalty_;
  double metric_;
};

TEST(TrainerTest, AnUpdateThatHasDivergedEndsTheRun) {
  const auto run = [](float penalty, double metric) {
    TinyObserver observer;
    tiny_trainer(tiny_method("simsiam"), std::make_unique<Spoilt>(penalty, metric), {.epochs = 1})
        ->run(observer);
    return observer.steps.size();
  };
  const auto ends = [&](float penalty, double metric, const std::string& what) {
    EXPECT_THAT([&] { run(penalty, metric); },
                ThrowsMessage<Diverged>(testing::AllOf(testing::StartsWith(what),
                                                       HasSubstr(": lower the learning rate (--optim.lr)"))));
  };
  EXPECT_EQ(run(1e19F, 1e300), 4U);
  ends(2e19F, 0.0, "the loss is 2e+19 in update 2");
  ends(-INFINITY, 0.0, "the loss is -inf in update 2");
  ends(NAN, 0.0, "the loss is NaN in update 2");
  ends(0.0F, NAN, "spoilt is NaN in update 1");
  ends(0.0F, INFINITY, "spoilt is inf in update 1");
}

TEST(TrainerTest, ARestartNeedsBoundaries) {
  EXPECT_THAT([] { tiny_trainer({.stream = "seq:2,boundaries=hidden", .restart = true}); },
              ThrowsMessage<BadConfig>(HasSubstr("hides where its tasks end")));
}

// Where boundaries are hidden, a strategy hears of one task, which is the whole stream, and batches do not name theirs.
TEST(TrainerTest, HiddenBoundariesReachNoStrategy) {
  struct Listener final : Strategy {
    explicit Listener(std::vector<std::string>& calls) : calls_(calls) {}
    void begin_task(std::int64_t task) override { calls_.push_back("begin " + std::to_string(task)); }
    void end_task(std::int64_t task) override { calls_.push_back("end " + std::to_string(task)); }
    void arrive(const Batch& batch) override { calls_.push_back("task " + std::to_string(batch.task)); }
    void list_state(nn::StateList& /*list*/) const override {}
    std::vector<std::string>& calls_;
  };
  std::vector<std::string> calls;
  const auto trainer = tiny_trainer(tiny_method("simsiam"), std::make_unique<Listener>(calls),
                                    {.epochs = 1, .stream = "seq:2,boundaries=hidden"});
  TinyObserver observer;
  trainer->run(observer);
  EXPECT_THAT(calls, ElementsAre("begin 0", "task 0", "task 0", "task 0", "task 0", "end 0"));
  EXPECT_EQ(observer.steps.back().task, 1);  // reports know
}

// Images that move arrive moved; read() gives the same ones again, and a run of frames counts as its image.
TEST(TrainerTest, MovingStreamsArriveMovedAndAreReadAgainAlike) {
  struct Keeper final : Strategy {
    void attach(Learner& learner) override { learner_ = &learner; }
    void arrive(const Batch& batch) override { seen.push_back(batch); }
    std::vector<std::int64_t> stored_ids() const override {
      return seen.empty() ? std::vector<std::int64_t>{} : seen.back().ids;
    }
    void list_state(nn::StateList& /*list*/) const override {}
    std::vector<Batch> seen;
    Learner* learner_ = nullptr;
  };
  auto strategy = std::make_unique<Keeper>();
  const Keeper& keeper = *strategy;
  const auto trainer = tiny_trainer(tiny_method("supervised"), std::move(strategy),
                                    {.epochs = 1, .stream = "seq:2,runs=2,rotate=90,samples=8"});
  TinyObserver observer;
  trainer->run(observer);
  ASSERT_EQ(keeper.seen.size(), 4U);
  EXPECT_EQ(keeper.learner_->train_images(), 2 * kTinyImages);
  for (const Batch& batch : keeper.seen) {
    EXPECT_TRUE(same_bits(keeper.learner_->read(batch.ids).images, batch.images));
    EXPECT_FALSE(same_bits(batch.images.rows(0, 1), batch.images.rows(1, 1)));  // two frames
    EXPECT_EQ(batch.ids[1], batch.ids[0] + kTinyImages);
  }
}

// EMP-SSL's system for streams: the arriving images in every one of the K updates, alone at first, then with R older ones.
TEST(TrainerTest, TheStreamSystemTrainsOnArrivingAndOlderImagesTogether) {
  for (const char* method : {"emp-ssl", "emp-ssl-contrastive"}) {
    const auto trainer = tiny_trainer({.strategy = "minred",
                                       .method = method,
                                       .epochs = 1,
                                       .steps_per_batch = 3,
                                       .learning_rate = 1e-4,
                                       .stream = "seq:2,boundaries=hidden"});
    TinyObserver observer;
    trainer->run(observer);
    ASSERT_EQ(observer.steps.size(), 4U * 3U);
    for (std::size_t step = 0; step < observer.steps.size(); ++step) {
      EXPECT_EQ(observer.steps[step].trained_images, step < 3 ? 8 : 8 + 6) << method << ", step " << step;
    }
  }
}

TEST(PastNetworkTest, StandsStillWhileTheNetworkLearns) {
  const auto method = tiny_method("simclr");
  PastNetwork past(method->network());
  EXPECT_FALSE(past.taken());
  nn::StateList own;
  past.list_state(own);
  EXPECT_TRUE(own.parameters().empty());
  nn::StateList list;
  method->list_state(list);
  const Views images{.images = Tensor::full({4, kTinySize, kTinySize, 3}, 0.5F), .views = 2, .batch = 2};
  const auto before = past.forward(images, PastNetwork::Norm::running).projections.to_vector<float>();
  list.find("backbone.conv1.weight")->tensor.fill_zero();
  EXPECT_EQ(past.forward(images, PastNetwork::Norm::running).projections.to_vector<float>(), before);
  past.take(method->network());
  EXPECT_TRUE(past.taken());
  const Network::Rows now = past.forward(images, PastNetwork::Norm::running);
  EXPECT_NE(now.projections.to_vector<float>(), before);
  EXPECT_EQ(now.projections.to_vector<float>(),
            method->network().forward(images.images, false).projections.to_vector<float>());
  EXPECT_FALSE(now.features.requires_grad());
}

// A stream is a function of its options: resumed half-way, every kind goes on with the same bytes.
TEST(TrainerTest, EveryStreamResumesWithTheSameBytes) {
  for (const char* stream :
       {"data:2", "drift:2", "iid,runs=2,samples=12", "seq:2,blur=1", "seq:2,rotate=180,hue=0.5,zoom=2",
        "seq:2,boundaries=hidden,drop-last=on,seed=3"}) {
    const TinyRun run{.strategy = "er", .epochs = 1, .steps_per_batch = 2, .stream = stream};
    const auto whole = tiny_trainer(run);
    TinyObserver observer(3);
    observer.watch(*whole);
    whole->run(observer);
    const auto resumed = tiny_trainer(run);
    restore(*resumed, observer.saved);
    TinyObserver rest;
    resumed->run(rest);
    const SavedState want = save(*whole);
    const SavedState got = save(*resumed);
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_TRUE(same_bits(want[i].second, got[i].second)) << want[i].first << ", " << stream;
  }
}

// Killed at any update and gone on with, a run ends with the same bytes: for every strategy, also where the
// checkpoint falls between the last update of a batch and what comes after it.
// Ends a run at the n-th question, and writes down what it was told.
struct StopsAt final : TrainObserver {
  explicit StopsAt(int question) : left(question) {}
  void on_step(const StepReport& report) override {
    told.push_back("step " + std::to_string(report.progress.step));
  }
  void on_evaluation(const EvaluationReport& report) override {
    told.push_back("evaluation " + std::to_string(report.step) + " of task " + std::to_string(report.task));
  }
  void on_settled() override { told.emplace_back("settled"); }
  bool stop_requested() override { return --left == 0; }
  int left;
  std::vector<std::string> told;
};

// After an update, before or after an evaluation, between the end of a batch and that of its task: whoever goes on does
// what is left, nothing twice, and ends with the same bytes.
TEST(TrainerTest, ARunCanBeStoppedAfterAnythingThatItDoes) {
  const TinyRun run{.strategy = "er", .epochs = 1, .steps_per_batch = 3, .eval_every = 2};
  const auto whole = tiny_trainer(run);
  StopsAt never(-1);
  EXPECT_TRUE(whole->run(never).finished);
  EXPECT_TRUE(whole->finished());
  const SavedState want = save(*whole);
  ASSERT_THAT(never.told, testing::IsSupersetOf({"evaluation 6 of task -1", "evaluation 6 of task 0"}));
  ASSERT_EQ(std::ranges::count(never.told, "settled"), 12);
  const int questions = -1 - never.left;
  ASSERT_GT(questions, 30);
  // After the last evaluation, the last but one question, all is done.
  for (int question = 1; question < questions - 1; ++question) {
    const auto stopped = tiny_trainer(run);
    StopsAt until(question);
    EXPECT_FALSE(stopped->run(until).finished) << question;
    const auto resumed = tiny_trainer(run);
    restore(*resumed, save(*stopped));
    EXPECT_FALSE(resumed->finished());
    StopsAt rest(-1);
    EXPECT_TRUE(resumed->run(rest).finished);
    std::vector<std::string> told = until.told;
    told.insert(told.end(), rest.told.begin(), rest.told.end());
    std::vector<std::string> all = never.told;
    for (auto* list : {&told, &all}) std::erase(*list, "settled");  // a stop comes instead of it, or before
    EXPECT_EQ(told, all) << "stopped at question " << question;
    const SavedState got = save(*resumed);
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_TRUE(same_bits(want[i].second, got[i].second)) << want[i].first << ", question " << question;
  }
}

struct ResumeTest : testing::TestWithParam<TinyRun> {};

TEST_P(ResumeTest, GivesTheSameBytes) {
  TinyRun run = GetParam();
  run.epochs = run.steps_per_batch = 2;
  for (const std::int64_t at : {3, 8, 13}) {  // within task 0, its last update, within task 1
    const auto whole = tiny_trainer(run);
    TinyObserver observer(at);
    observer.watch(*whole);
    whole->run(observer);
    const auto resumed = tiny_trainer(run);
    restore(*resumed, observer.saved);
    TinyObserver rest;
    resumed->run(rest);
    EXPECT_EQ(rest.steps.size() + static_cast<std::size_t>(at), observer.steps.size());
    const SavedState want = save(*whole);
    const SavedState got = save(*resumed);
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(same_bits(want[i].second, got[i].second)) << want[i].first << ", resumed at " << at;
    }
  }
}

// What a strategy says that it replays at most is what it comes to.
struct ReplayTest : testing::TestWithParam<TinyRun> {};

TEST_P(ReplayTest, StaysWithinWhatWasForetold) {
  TinyRun run = GetParam();
  run.epochs = 2;
  auto method = tiny_method(run.method, 1, model_under(run.strategy, "resnet18:width=2,stem=cifar", 2));
  auto strategy = make_strategy(run.strategy, tiny_context(*method, run.options, run.method));
  const Strategy& replaying = *strategy;
  const auto trainer = tiny_trainer(std::move(method), std::move(strategy), run);
  TinyObserver observer;
  trainer->run(observer);
  std::int64_t replayed = 0;
  std::int64_t foretold = 0;
  for (std::size_t i = 0; i < observer.steps.size(); ++i) {
    const StreamBatch& batch = trainer->stream().batches[i];
    replayed = observer.steps[i].trained_images - static_cast<std::int64_t>(batch.ids.size());
    foretold = replaying.most_replayed(batch.position);
    EXPECT_LE(replayed, foretold) << "update " << i;
  }
  EXPECT_EQ(replayed, foretold) << "when the buffer is full";
}

INSTANTIATE_TEST_SUITE_P(Table, ResumeTest, testing::ValuesIn(every_strategy()), run_name);
INSTANTIATE_TEST_SUITE_P(Variants, ResumeTest, testing::ValuesIn(other_variants()), run_name);
INSTANTIATE_TEST_SUITE_P(Table, ReplayTest, testing::ValuesIn(every_strategy()), run_name);
INSTANTIATE_TEST_SUITE_P(Variants, ReplayTest, testing::ValuesIn(other_variants()), run_name);

TEST(PairTest, WhatMakesNoSenseIsRefusedWithTheReason) {
  const MethodTraits plain;
  EXPECT_NO_THROW(check_needs("x", 0, "m", plain, false));
  const auto refused = [](unsigned needs, const MethodTraits& traits, bool boundaries, const char* reason) {
    EXPECT_THAT(
        [&] { check_needs("x", needs, "m", traits, boundaries); },
        ThrowsMessage<BadConfig>(testing::AllOf(HasSubstr("strategy x with method m"), HasSubstr(reason))));
  };
  refused(kNeedsBoundaries, plain, false, "hides that");
  refused(kNeedsNoLabels, {.labels = true}, true, "no one label");
  refused(kNeedsSingleImageLoss, plain, true, "single images");
  refused(kNeedsQueue, plain, true, "has none");
  refused(kNeedsProjector, {.projector = false}, true, "a classifier");
  const unsigned all =
      kNeedsBoundaries | kNeedsNoLabels | kNeedsSingleImageLoss | kNeedsQueue | kNeedsProjector;
  EXPECT_NO_THROW(check_needs("x", all, "m", {.single_image = true, .queue = true}, true));
  EXPECT_NO_THROW(check_pair("no such strategy", "simsiam", true));
}

}  // namespace
}  // namespace nagare::ssl
