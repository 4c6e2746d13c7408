// Readouts by hand-worked examples; the kNN itself: knn_test.cpp.
#include "ssl/eval/readout.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/device/errors.h"
#include "ssl/eval/evaluation_table.h"
#include "ssl/eval/labelled_subset.h"
#include "ssl/eval/run_readout.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(ReadoutTest, TheTableIsSorted) {
  const auto rows = readout_table();
  for (std::size_t i = 1; i < rows.size(); ++i) EXPECT_LT(std::string(rows[i - 1].name), rows[i].name);
}

TEST(ReadoutTest, SpecsAreRead) {
  const std::vector<Readout> readouts = parse_readouts("knn,bag:knn-task@0.1,knn-ucl");
  ASSERT_EQ(readouts.size(), 3U);
  EXPECT_FALSE(readouts[0].task_given || readouts[0].bag);
  EXPECT_STREQ(readouts[1].row->name, "knn");
  EXPECT_TRUE(readouts[1].task_given && readouts[1].bag);
  EXPECT_DOUBLE_EQ(readouts[1].fraction, 0.1);
  EXPECT_TRUE(readouts[2].task_given);
}

TEST(ReadoutTest, WrongSpecsAreRefused) {
  const auto parse = [](const char* text) { return [text] { parse_readouts(text); }; };
  EXPECT_THAT(parse("knn,knn"), ThrowsMessage<BadConfig>(HasSubstr("twice")));
  EXPECT_THAT(parse("knn@0"), ThrowsMessage<BadConfig>(HasSubstr("need a number above 0")));
  EXPECT_THAT(parse("knn@1.5"), ThrowsMessage<BadConfig>(HasSubstr("1.5")));
  EXPECT_THAT(parse("knn@nan"), ThrowsMessage<BadConfig>(HasSubstr("nan")));
  EXPECT_THAT(parse("knn@0.1x"), ThrowsMessage<BadConfig>(HasSubstr("0.1x")));
  EXPECT_THAT(parse("kmn"), ThrowsMessage<BadConfig>(HasSubstr("nearest is \"knn\"")));
  EXPECT_THAT(parse(""), ThrowsMessage<BadConfig>(HasSubstr("readout")));
  EXPECT_THAT(parse("knn,"), ThrowsMessage<BadConfig>(HasSubstr("readout")));
}

TEST(LabelledSubsetTest, EveryClassHasItsShare) {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 300; ++i) labels.push_back(i % 3 == 2 ? 0 : i % 2);  // uneven classes 0, 1; none of 2
  const std::vector<std::int64_t> ids = labelled_share(labels, 3, 0.1, 4);
  std::vector<std::int64_t> counts(3);
  std::vector<std::int64_t> all(3);
  for (const std::int64_t id : ids) ++counts[static_cast<std::size_t>(labels[static_cast<std::size_t>(id)])];
  for (const std::int64_t label : labels) ++all[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts[0], std::llround(0.1 * static_cast<double>(all[0])));
  EXPECT_EQ(counts[1], std::llround(0.1 * static_cast<double>(all[1])));
  EXPECT_EQ(labelled_share(labels, 3, 0.001, 4).size(), 2U) << "at least one of every class that there is";
  EXPECT_EQ(ids, labelled_share(labels, 3, 0.1, 4));
  EXPECT_NE(ids, labelled_share(labels, 3, 0.1, 5));
  const std::vector<std::int64_t> more = labelled_share(labels, 3, 0.4, 4);
  EXPECT_TRUE(std::ranges::includes(more, ids)) << "1 % lies within 10 %";
  EXPECT_EQ(labelled_count(labels, 2, 7, 4).size(), 7U);
  EXPECT_EQ(labelled_count({0, 0, 1}, 2, 100, 4).size(), 3U) << "what there is";
}

// Two tasks of two classes, on four axes; class 3's query lies beside class 0.
struct Example {
  LabelledFeatures bank{
      .features = Tensor::from(std::vector<float>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.1F, 1}, {4, 4}),
      .labels = {0, 1, 2, 3},
      .classes = 4};
  Tensor queries =
      Tensor::from(std::vector<float>{1, 0.1F, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0.9F}, {4, 4});
  std::vector<std::int64_t> labels = {0, 1, 2, 3};
  std::vector<std::int64_t> query_domains = {};
  Tasks tasks{.classes = {{0, 1}, {2, 3}}};

  ReadoutResult run(const std::string& spec, std::int64_t tasks_seen = 1) const {
    return run_readout(parse_readouts(spec).front(),
                       {.bank = bank,
                        .queries = queries,
                        .query_labels = labels,
                        .tasks = tasks,
                        .query_domains = query_domains},
                       {.neighbours = 1, .tasks_seen = tasks_seen});
  }
};

TEST(ReadoutTest, AGivenTaskLeavesFewerWrongAnswers) {
  const Example example;
  const ReadoutResult all = example.run("knn");
  EXPECT_DOUBLE_EQ(all.accuracy, 75.0);
  EXPECT_DOUBLE_EQ(all.top5, 100.0);
  EXPECT_THAT(all.tasks, ElementsAre(100.0, 50.0));
  EXPECT_EQ(all.labelled, 4);
  const ReadoutResult given = example.run("knn-task");
  EXPECT_DOUBLE_EQ(given.accuracy, 100.0);
  EXPECT_TRUE(std::isnan(given.top5));
  EXPECT_THAT(given.tasks, ElementsAre(100.0, 100.0));
}

TEST(ReadoutTest, UclsNeighboursAreTheTasksSeen) {
  const Example example;
  EXPECT_EQ(example.run("knn-ucl", 1).setting, 1.0);
  EXPECT_EQ(example.run("knn-ucl", 2).setting, 2.0);
  EXPECT_EQ(example.run("knn-ucl", 300).setting, 200.0);
  EXPECT_EQ(example.run("knn-instdisc-task", 1).setting, 200.0);
}

TEST(ReadoutTest, TheTaskIndexIsWhatConsolidationTells) {
  Example example;
  const ReadoutResult result = example.run("task-index");
  EXPECT_DOUBLE_EQ(result.accuracy, 75.0);
  EXPECT_THAT(result.tasks, ElementsAre(100.0, 50.0));
  example.tasks.classes = {{0, 1}, {1, 2, 3}};
  EXPECT_TRUE(std::isnan(example.run("task-index").accuracy)) << "class 1 has two tasks";
}

// The class is in a dimension that another one dwarfs: only standardised features tell it.
TEST(ReadoutTest, ClasFeaturesAreStandardised) {
  Example example;
  std::vector<float> rows;
  example.bank.labels.clear();
  for (int i = 0; i < 120; ++i) {
    rows.push_back(static_cast<float>(1000 * (i / 2)));
    rows.push_back(static_cast<float>(i % 2));
    example.bank.labels.push_back(i % 2);
  }
  example.bank.features = Tensor::from(rows, {120, 2});
  example.bank.classes = 2;
  example.queries = Tensor::from(std::vector<float>{30100, 0, 29900, 1}, {2, 2});
  example.labels = {0, 1};
  example.tasks.classes = {{0, 1}};
  EXPECT_EQ(example.run("knn-cla").setting, 50.0);
  EXPECT_DOUBLE_EQ(example.run("knn-cla").accuracy, 100.0);
  EXPECT_LT(example.run("knn-plain").accuracy, 100.0);
  EXPECT_EQ(example.run("knn-cla@0.5").labelled, 60);
}

// Weights 1 / distance: two at 5.1 outvote one at 5 and one at 15.
TEST(ReadoutTest, CasslesNeighboursWeighByTheirDistance) {
  Example example;
  example.bank = {.features = Tensor::from(std::vector<float>{1000, 0, 1010, 1, 990, 0, 1000, 1}, {4, 2}),
                  .labels = {0, 1, 0, 1},
                  .classes = 2};
  example.queries = Tensor::from(std::vector<float>{1005, 0, 995, 1}, {2, 2});
  example.labels = {1, 0};
  example.tasks.classes = {{0, 1}};
  EXPECT_DOUBLE_EQ(example.run("knn-cassle").accuracy, 100.0);
  EXPECT_EQ(example.run("knn-cassle").setting, 20.0);
}

// One label set, two sources: a task is a source.
TEST(ReadoutTest, TasksOfADomainStreamAreSources) {
  Example example;
  example.bank.domains = {0, 0, 1, 1};
  example.bank.labels = {0, 1, 0, 1};
  example.bank.classes = 2;
  example.labels = {0, 1, 1,
                    0};  // the third query's neighbour says 0, the fourth's nearest is of the first source
  example.tasks = {.classes = {{0, 1}, {0, 1}}, .domains = {0, 1}};
  example.query_domains = {0, 0, 1, 1};
  const ReadoutResult all = example.run("knn");
  EXPECT_THAT(all.tasks, ElementsAre(100.0, 50.0));
  EXPECT_DOUBLE_EQ(all.accuracy, 75.0);
  EXPECT_THAT(example.run("knn-task").tasks, ElementsAre(100.0, 0.0));
  EXPECT_THAT(example.run("task-index").tasks, ElementsAre(100.0, 50.0));
}

TEST(ScoresTest, FiveBestAndTies) {
  Scores scores{.classes = 7, .values = {0, 1, 1, 1, 1, 1, 1}};
  const TaskRows one = {{0}};
  EXPECT_DOUBLE_EQ(judge(scores, {1}, one).accuracy, 100.0);
  EXPECT_DOUBLE_EQ(judge(scores, {2}, one).accuracy, 0.0);
  EXPECT_DOUBLE_EQ(judge(scores, {5}, one).top5, 100.0);
  EXPECT_DOUBLE_EQ(judge(scores, {6}, one).top5, 0.0);
  EXPECT_TRUE(std::isnan(judge(scores, {6}, {{}}).tasks[0])) << "a task without queries";
  EXPECT_DOUBLE_EQ(judge_within_tasks(scores, {6}, {{0, 6}}, one).accuracy, 100.0);
  EXPECT_DOUBLE_EQ(judge_within_tasks(scores, {6}, {{5, 6}}, one).accuracy, 0.0);
  scores.values[3] = NAN;
  EXPECT_THROW(judge(scores, {6}, one), Diverged);
  EXPECT_THROW(judge_within_tasks(scores, {6}, {{6}}, one), Diverged);
}

Evaluation of(double accuracy) {
  return {.readouts = {{.accuracy = accuracy, .top5 = 90.0, .tasks = {accuracy, 1.0}}},
          .measures = {.rank = 3.0},
          .seconds = 0.0};
}

TEST(EvaluationTableTest, KeepsWhatARunNeeds) {
  EvaluationTable table(2, {"knn"});
  EXPECT_FALSE(table.has_untrained());
  EXPECT_TRUE(std::isnan(table.area(0)));
  table.record(0, {}, of(10));
  table.record(4, 0, of(30));
  table.record(10, {}, of(50));
  EXPECT_TRUE(table.has_untrained());
  EXPECT_EQ(table.ended_tasks(), 1);
  EXPECT_DOUBLE_EQ(table.untrained().readouts[0].accuracy, 10.0);
  EXPECT_DOUBLE_EQ(table.last().readouts[0].accuracy, 50.0);
  EXPECT_DOUBLE_EQ(table.last().measures.rank, 3.0);
  EXPECT_THAT(table.matrix(0)[0], ElementsAre(30.0, 1.0));
  EXPECT_TRUE(std::isnan(table.matrix(0)[1][0]));
  EXPECT_DOUBLE_EQ(table.area(0), (4 * 20.0 + 6 * 40.0) / 10);

  // A resumed run goes on with what a checkpoint held.
  EvaluationTable resumed({"knn"}, table.tensor());
  resumed.record(12, 1, of(70));
  EXPECT_DOUBLE_EQ(resumed.area(0), (4 * 20.0 + 6 * 40.0 + 2 * 60.0) / 12);
  EXPECT_EQ(resumed.ended_tasks(), 2);
  EXPECT_EQ(table.ended_tasks(), 1);
}

TEST(EvaluationTableTest, RefusesWhatDoesNotFit) {
  EvaluationTable table(3, {"knn"});
  EXPECT_THAT([&] { table.record(0, {}, of(10)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("with 3 tasks each")));
  EXPECT_THROW(EvaluationTable(0, {"knn"}), std::invalid_argument);
  EXPECT_THROW(EvaluationTable({"knn", "ridge"}, table.tensor()), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
