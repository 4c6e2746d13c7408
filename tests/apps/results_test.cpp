// The files that a run leaves hold the fields that docs/results.md lists, and no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using Fields = std::set<std::string>;

constexpr char kReadouts[] = "knn,knn-ucl";

// The paths of everything that is not an object, as docs/results.md writes them.
void collect(const json& value, const std::string& path, Fields& fields) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      const bool readout = path == "readouts" || path.ends_with(".readouts");
      collect(inner, path.empty() ? key : path + "." + (readout ? "READOUT" : key), fields);
    }
  } else if (value.is_array()) {
    if (value.empty()) fields.insert(path + "[]");
    for (const json& inner : value) collect(inner, path + "[]", fields);
  } else {
    fields.insert(path);
  }
}

Fields fields_of(const json& value) {
  Fields fields;
  collect(value, "", fields);
  return fields;
}

// The first cells of the tables from `heading` to the next of its kind.
Fields documented(const std::string& heading) {
  std::istringstream text(read_all(NAGARE_RESULTS_PAGE));
  Fields fields;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ") || line.starts_with("A line of")) inside = line.starts_with(heading);
    if (!inside || !line.starts_with("| `")) continue;
    fields.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return fields;
}

class ResultsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(NAGARE_RESULTS_PAGE))
      GTEST_SKIP() << NAGARE_RESULTS_PAGE << " is not on this machine";
    const Outcome outcome = run_nagare(tiny_run(run(), {"--eval.readouts", kReadouts}));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  std::string run() const { return directory_ / "run"; }
  json results() const { return json::parse(read_all(run() + "/results.json")); }
  std::vector<json> lines(const std::string& kind) const {
    std::vector<json> found;
    std::istringstream text(read_all(run() + "/metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      const json parsed = json::parse(line);
      if (parsed.value("kind", "") == kind) found.push_back(parsed);
    }
    return found;
  }
  TemporaryDirectory directory_;
};

TEST_F(ResultsTest, ResultsHoldTheDocumentedFields) {
  EXPECT_EQ(fields_of(results()), documented("## RUN/results.json"));
}

TEST_F(ResultsTest, EvaluationLinesHoldTheDocumentedFields) {
  const std::vector<json> evaluations = lines("evaluation");
  ASSERT_EQ(evaluations.size(), 3U);
  for (const json& line : evaluations) EXPECT_EQ(fields_of(line), documented("## RUN/metrics.jsonl"));
}

TEST_F(ResultsTest, StepLinesHoldTheDocumentedFields) {
  const Fields fields = fields_of(lines("step").at(0));
  for (const std::string& field : documented("A line of `kind` `step`"))
    EXPECT_TRUE(fields.contains(field)) << field;
}

TEST_F(ResultsTest, EvalPrintsTheDocumentedFieldsAndSavesThem) {
  const std::vector<std::string> plain = {"eval", run(), "--json", "--device", "cpu"};
  const Outcome bare = run_nagare(plain);
  ASSERT_EQ(bare.exit_code, 0) << bare.err;
  EXPECT_EQ(json::parse(bare.out)["ood"], json::array());
  EXPECT_TRUE(json::parse(bare.out)["cka"].is_null());

  std::vector<std::string> whole = plain;
  whole.insert(whole.end(), {"--eval.readouts", "ridge,finetune@0.5", "--eval.epochs", "1", "--cka", "--save",
                             "--ood", "fractal:classes=3,per-class=8,test-per-class=2,size=16,seed=9",
                             "--ood", "fractal:classes=2,per-class=8,test-per-class=2,size=16,seed=8"});
  const Outcome judged = run_nagare(whole);
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  const json document = json::parse(judged.out);
  EXPECT_EQ(fields_of(document), documented("## nagare eval"));
  EXPECT_EQ(document["ood"].size(), 2U);
  EXPECT_EQ(document["cka"]["checkpoints"], json({2, 4}));
  EXPECT_EQ(document["cka"]["blocks"].size(), 5U);
  EXPECT_NEAR(document["cka"]["between_blocks"][2][2].get<double>(), 1.0, 1e-9);
  EXPECT_GT(document["cka"]["parameter_distances"][0].get<double>(), 0.0);

  EXPECT_EQ(results()["evaluations"], json::array({document}));
  const json line = lines("saved_evaluation").at(0);
  EXPECT_EQ(line["evaluation"], document);
  EXPECT_EQ(line["step"], 4);
  EXPECT_EQ(
      run_nagare({"eval", run() + "/checkpoints/step-000000004", "--save", "--device", "cpu"}).exit_code, 2);
}

TEST_F(ResultsTest, ReadoutsComeInTheOrderAsked) {
  const std::string text = read_all(run() + "/results.json");
  EXPECT_LT(text.find("\"knn\": {"), text.find("\"knn-ucl\": {"));
  const json results = this->results();
  EXPECT_EQ(results["primary"], "knn");
  const json& knn = results["readouts"]["knn"];
  EXPECT_EQ(knn["accuracy_matrix"].size(), 2U);
  EXPECT_EQ(knn["final"]["tasks"], knn["accuracy_matrix"][1]);
  EXPECT_EQ(knn["overall"][1], knn["final"]["accuracy"]);
  // One neighbour after task 0, two after task 1.
  const std::vector<json> evaluations = lines("evaluation");
  EXPECT_EQ(evaluations[1]["readouts"]["knn-ucl"]["setting"], 1);
  EXPECT_EQ(evaluations[2]["readouts"]["knn-ucl"]["setting"], 2);
}

TEST_F(ResultsTest, AnEarlyEndLeavesNulls) {
  const std::string early = directory_ / "early";
  ASSERT_EQ(run_nagare(tiny_run(early, {"--max-steps", "1"})).exit_code, 0);
  const json results = json::parse(read_all(early + "/results.json"));
  EXPECT_EQ(results["ended_tasks"], 0);
  EXPECT_TRUE(results["readouts"]["knn"]["forgetting"].is_null());
  EXPECT_TRUE(results["readouts"]["knn"]["accuracy_matrix"][1][0].is_null());
  EXPECT_TRUE(results["readouts"]["knn"]["final"]["accuracy"].is_number());
}

// Labels and readouts must not reach the weights.
TEST_F(ResultsTest, EvaluationChangesNoWeight) {
  const std::string often = directory_ / "often";
  ASSERT_EQ(run_nagare(tiny_run(often, {"--eval-every", "1", "--eval.readouts",
                                        "knn-cla,task-index,knn-ucl@0.5,ridge,linear-moco,finetune,bag:ncm",
                                        "--eval.epochs", "1", "--eval.augment", "--eval.bag", "grid"}))
                .exit_code,
            0);
  const std::string model = "/checkpoints/step-000000004/model.safetensors";
  EXPECT_EQ(read_all(run() + model), read_all(often + model));
}

TEST_F(ResultsTest, ReadoutsDoNotDependOnThreads) {
  std::set<std::string> said;
  for (const char* threads : {"1", "2", "3"}) {
    const Outcome judged = run_nagare(
        {"eval", run(), "--json", "--device", "cpu", "--threads", threads, "--eval.readouts",
         "knn,knn-cla@0.5,knn-plain-task,ridge,ncm,linear-cassle,linear-moco-task,finetune@0.5,bag:knn",
         "--eval.epochs", "2", "--eval.augment", "--eval.bag-patches", "4"});
    ASSERT_EQ(judged.exit_code, 0) << judged.err;
    json document = json::parse(judged.out);
    document.erase("seconds");
    said.insert(document.dump());
  }
  EXPECT_EQ(said.size(), 1U);
}

// The layer comes from the method while it trains, from the checkpoint afterwards.
TEST_F(ResultsTest, BagsOfTheHiddenLayerAreTheSameFromACheckpoint) {
  const std::string bags = directory_ / "bags";
  const std::vector<std::string> how = {"--eval.readouts",    "bag:ridge", "--eval.bag", "grid",
                                        "--eval.bag-feature", "hidden"};
  ASSERT_EQ(run_nagare(tiny_run(bags, how)).exit_code, 0);
  std::vector<std::string> again = {"eval", bags, "--json", "--device", "cpu", "--threads", "1"};
  again.insert(again.end(), how.begin(), how.end());
  const Outcome judged = run_nagare(again);
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_EQ(json::parse(judged.out)["readouts"]["bag:ridge"]["accuracy"],
            json::parse(read_all(bags + "/results.json"))["readouts"]["bag:ridge"]["final"]["accuracy"]);
}

// docs/evaluation.md stands beside docs/results.md.
TEST_F(ResultsTest, EveryReadoutHasItsPlaceInTheDocumentation) {
  const std::string page =
      read_all(std::filesystem::path(NAGARE_RESULTS_PAGE).parent_path() / "evaluation.md");
  const json listed = json::parse(run_nagare({"list", "readouts", "--json"}).out);
  ASSERT_GT(listed["readouts"].size(), 20U);
  for (const json& row : listed["readouts"]) {
    const std::string name = row["name"];
    EXPECT_THAT(page, testing::HasSubstr("`" + name + "`"));
  }
}

TEST_F(ResultsTest, UnknownReadoutsAreNamed) {
  const Outcome outcome = run_nagare({"eval", run(), "--device", "cpu", "--eval.readouts", "knn,kmn"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, testing::HasSubstr("nearest is \"knn\""));
}

}  // namespace
}  // namespace nagare::test
