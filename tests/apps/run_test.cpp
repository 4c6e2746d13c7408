// Whole runs of the program: the run directory, stopping and going on, and what reads a finished run.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr int kConfig = 3;
constexpr int kCannotWrite = 6;
constexpr int kDiverged = 9;
constexpr int kSaved = 75;
constexpr int kHardStop = 130;

std::vector<json> read_lines(const std::string& path) {
  std::vector<json> lines;
  std::istringstream text(read_all(path));
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

json read_json(const std::string& path) { return json::parse(read_all(path)); }

// Steps in metrics.jsonl, in order.
std::vector<int> steps_of(const std::string& run) {
  std::vector<int> steps;
  for (const json& line : read_lines(run + "/metrics.jsonl")) {
    if (line.value("kind", "") == "step") steps.push_back(line["step"]);
  }
  return steps;
}

class RunTest : public testing::Test {
 protected:
  std::string run() const { return directory_ / "run"; }
  TemporaryDirectory directory_;
};

TEST_F(RunTest, LeavesACompleteRunDirectory) {
  const Outcome outcome = run_nagare(
      tiny_run(run(), {"--seed", "5", "--eval-every", "3", "--profile", directory_ / "trace.json"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("knn of the untrained network"), HasSubstr("after task 2"), HasSubstr(run())));

  EXPECT_EQ(read_json(run() + "/STATUS.json")["state"], "finished");
  EXPECT_EQ(read_json(run() + "/STATUS.json")["exit_code"], 0);
  EXPECT_THAT(read_all(run() + "/config.resolved.toml"),
              AllOf(HasSubstr("seed = 5  # --seed"), HasSubstr("optim.lr = 0.1  # default")));
  EXPECT_EQ(read_json(run() + "/env.json")["device"], "cpu");
  EXPECT_THAT(read_all(run() + "/log.jsonl"),
              HasSubstr(R"("level":"info","step":2,"text":"after task 1: knn)"));
  EXPECT_TRUE(std::filesystem::exists(run() + "/gallery.safetensors"));

  const json results = read_json(run() + "/results.json");
  EXPECT_TRUE(results["finished"]);
  EXPECT_EQ(results["readouts"]["knn"]["accuracy_matrix"].size(), 2U);
  EXPECT_EQ(results["readouts"]["knn"]["accuracy_matrix"][0].size(), 2U);
  EXPECT_EQ(results["steps"], 4);

  const std::vector<json> lines = read_lines(run() + "/metrics.jsonl");
  EXPECT_EQ(lines.at(0)["schema"], 2);
  EXPECT_THAT(steps_of(run()), testing::ElementsAre(1, 2, 3, 4));
  const auto evaluations = std::count_if(
      lines.begin(), lines.end(), [](const json& line) { return line.value("kind", "") == "evaluation"; });
  EXPECT_EQ(evaluations, 4) << "untrained, step 3, and the end of both tasks";

  const std::string checkpoint = run() + "/checkpoints/step-000000004";
  EXPECT_EQ(read_all(run() + "/checkpoints/LATEST"), "step-000000004\n");
  EXPECT_EQ(read_json(checkpoint + "/manifest.json")["model"], "resnet18:width=4");
  EXPECT_TRUE(std::filesystem::exists(checkpoint + "/model.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(checkpoint + "/state.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(checkpoint + "/model.safetensors.tmp"));

  const json trace = read_json(directory_ / "trace.json");
  std::set<std::string> names;
  for (const json& event : trace["traceEvents"]) names.insert(event["name"]);
  EXPECT_THAT(names, testing::IsSupersetOf({"augment", "forward", "backward", "optimiser", "evaluation"}));
}

TEST_F(RunTest, SaysOfWhichTasksTheStoredImagesAre) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--strategy", "er", "--buffer", "12"})).exit_code, 0);
  std::vector<json> counts;
  for (const json& line : read_lines(run() + "/metrics.jsonl")) {
    if (line.value("task_end", false)) counts.push_back(line["stored_by_task"]);
  }
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0], json({12, 0}));  // 20 images have arrived
  EXPECT_EQ(counts[1][0].get<int>() + counts[1][1].get<int>(), 12);
  EXPECT_GT(counts[1][1].get<int>(), 0);
}

TEST_F(RunTest, JsonIsOneDocumentAndQuietSaysNothing) {
  const Outcome outcome = run_nagare(tiny_run(run(), {"--json", "--quiet", "--max-steps", "2"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["steps"], 2);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(RunTest, SourcesOverrideOneAnother) {
  const std::string file = directory_ / "my.toml";
  write_all(file, "optim.lr = 0.01\noptim.momentum = 0.5\noptim.weight-decay = 0.001\n");
  const Outcome outcome = run_nagare(
      tiny_run(run(), {"--preset", "demo", "--config", file, "--optim.momentum", "0.6", "--max-steps", "1",
                       "--dry-run"}),
      {.environment = {{"NAGARE_OPTIM__WEIGHT_DECAY", "0.002"}, {"NAGARE_OPTIM__MOMENTUM", "0.7"}}});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("optim.lr = 0.01  # " + file + ":1"),
                                 HasSubstr("optim.momentum = 0.6  # --optim.momentum"),
                                 HasSubstr("optim.weight-decay = 0.002  # NAGARE_OPTIM__WEIGHT_DECAY"),
                                 HasSubstr("optim.name = \"lars\"  # preset demo:")));
  EXPECT_FALSE(std::filesystem::exists(run())) << "--dry-run writes nothing";
}

TEST_F(RunTest, ARunIsNotOverwritten) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  const std::string before = read_all(run() + "/results.json");
  const Outcome again = run_nagare(tiny_run(run(), {"--max-steps", "2"}));
  EXPECT_EQ(again.exit_code, kCannotWrite);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
  EXPECT_EQ(read_all(run() + "/results.json"), before);
}

// Decay times rate multiplies every weight by -1e12 in the first update: the second forward pass overflows.
class DivergedTest : public RunTest {
 protected:
  Outcome diverge(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--method", "supervised", "--optim.name", "sgd", "--optim.lr", "1e6",
                             "--optim.weight-decay", "1e6"});
    return run_nagare(tiny_run(run(), more));
  }
  // One step was learnt and written down; of what comes at a run's end there is nothing.
  void expect_nothing_half_written() const {
    EXPECT_EQ(read_json(run() + "/STATUS.json")["state"], "failed");
    EXPECT_EQ(read_json(run() + "/STATUS.json")["exit_code"], kDiverged);
    EXPECT_THAT(steps_of(run()), testing::ElementsAre(1));
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run()))
      names.insert(entry.path().filename());
    EXPECT_THAT(names, testing::UnorderedElementsAre(".lock", "STATUS.json", "config.resolved.toml",
                                                     "env.json", testing::StartsWith("events.out.tfevents."),
                                                     "log.jsonl", "metrics.jsonl"));
  }
};

TEST_F(DivergedTest, ALossThatIsNotFiniteEndsTheRun) {
  const Outcome outcome = diverge();
  EXPECT_EQ(outcome.exit_code, kDiverged);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: the loss is "), HasSubstr("in update 2"),
                                 HasSubstr("lower the learning rate (--optim.lr)")));
  expect_nothing_half_written();
}

TEST_F(DivergedTest, FeaturesThatAreNotFiniteEndTheRun) {
  const Outcome outcome = diverge({"--max-steps", "1"});
  EXPECT_EQ(outcome.exit_code, kDiverged);
  EXPECT_THAT(outcome.err,
              HasSubstr("error: evaluation after update 1: the features are not finite: train with a lower "
                        "learning rate (--optim.lr)\n"));
  expect_nothing_half_written();
}

TEST_F(RunTest, GoesOnFromWhereItEnded) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2"})).exit_code, 0);
  const Outcome outcome = run_nagare({"train", "--resume", "--out", run(), "--max-steps", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("(step 2)"));
  EXPECT_THAT(steps_of(run()), testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(read_json(run() + "/results.json")["ended_tasks"], 2);
}

TEST_F(RunTest, ResultsCountTheImagesOfAllSessions) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2"})).exit_code, 0);
  const json first = read_json(run() + "/results.json");
  ASSERT_EQ(run_nagare({"train", "--resume", "--out", run(), "--max-steps", "0"}).exit_code, 0);
  const json whole = read_json(run() + "/results.json");
  EXPECT_EQ(whole["images_trained"].get<int>(), 2 * first["images_trained"].get<int>());
  EXPECT_GT(whole["training_seconds"].get<double>(), first["training_seconds"].get<double>());
  // Nothing is left to do: the results stay.
  ASSERT_EQ(run_nagare({"train", "--resume", "--out", run()}).exit_code, 0);
  EXPECT_EQ(read_json(run() + "/results.json")["images_trained"], whole["images_trained"]);
}

TEST_F(RunTest, ARunKilledBeforeItsFirstCheckpointBeginsAgain) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  std::filesystem::remove_all(run() + "/checkpoints");
  write_all(run() + "/STATUS.json", "{\"state\": \"running\"}\n");
  const Outcome outcome = run_nagare({"train", "--resume", "--out", run(), "--max-steps", "0"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("from the beginning"));
  EXPECT_THAT(steps_of(run()), testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(RunTest, ATraceThatCannotBeWrittenCostsNoTraining) {
  const Outcome outcome =
      run_nagare(tiny_run(run(), {"--max-steps", "1", "--profile", directory_ / "nowhere/trace.json"}));
  EXPECT_EQ(outcome.exit_code, kCannotWrite) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(run() + "/checkpoints/step-000000001/manifest.json"));
}

TEST_F(RunTest, AResumedRunForgetsTheStepsAfterItsCheckpoint) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2"})).exit_code, 0);
  // As after a kill: two more steps were logged, the last line half, and no checkpoint followed.
  const std::string metrics = run() + "/metrics.jsonl";
  write_all(metrics, read_all(metrics) + "{\"kind\":\"step\",\"step\":3}\n{\"kind\":\"st");
  ASSERT_EQ(run_nagare({"train", "--resume", "--out", run(), "--max-steps", "0"}).exit_code, 0);
  EXPECT_THAT(steps_of(run()), testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(RunTest, ResumingRefusesOtherLearningOptions) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  const Outcome outcome = run_nagare({"train", "--resume", "--out", run(), "--optim.lr", "0.7"});
  EXPECT_EQ(outcome.exit_code, kConfig);
  EXPECT_THAT(outcome.err, HasSubstr("optim.lr: 0.7 here, 0.1 there"));
}

TEST_F(RunTest, AnInterruptSavesAndCanBeResumed) {
  bool sent = false;
  const Launch launch{.meanwhile = [&](pid_t child, const std::string& err) {
    if (sent || err.find("untrained network") == std::string::npos) return;
    sent = true;
    kill(child, SIGINT);
  }};
  const Outcome stopped = run_nagare(tiny_run(run(), {"--epochs", "200"}), launch);
  ASSERT_TRUE(sent) << stopped.err;
  ASSERT_EQ(stopped.exit_code, kSaved) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("go on with: nagare train --resume --out " + run()));
  const json status = read_json(run() + "/STATUS.json");
  EXPECT_EQ(status["state"], "stopped");
  EXPECT_EQ(status["exit_code"], kSaved);
  const int done = status["step"];
  EXPECT_FALSE(std::filesystem::exists(run() + "/results.json"));

  const Outcome resumed =
      run_nagare({"train", "--resume", "--out", run(), "--max-steps", std::to_string(done + 2)});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const std::vector<int> steps = steps_of(run());
  EXPECT_EQ(steps.back(), done + 2);
  EXPECT_EQ(steps.size(), static_cast<std::size_t>(done + 2)) << "no step is lost, none is done twice";
}

TEST_F(RunTest, ASecondInterruptEndsAtOnce) {
  int sent = 0;
  const Launch launch{.meanwhile = [&](pid_t child, const std::string& err) {
    if (sent == 0 && err.find("run directory") != std::string::npos) {
      sent = 1;
      kill(child, SIGINT);
    } else if (sent == 1 && err.find("once more") != std::string::npos) {
      sent = 2;
      kill(child, SIGINT);
    }
  }};
  // One update of many images, so that the second signal comes within it.
  const Outcome outcome = run_nagare(
      {"train", "--device", "cpu", "--data", "fractal:classes=4,per-class=500,test-per-class=5,size=32",
       "--stream", "iid", "--stream-batch", "2000", "--model", "resnet18:width=16", "--eval.bank-images",
       "20", "--eval.test-images", "20", "--out", run()},
      launch);
  EXPECT_EQ(sent, 2) << outcome.err;
  EXPECT_EQ(outcome.exit_code, kHardStop) << outcome.err;
}

TEST_F(RunTest, EvalAndEmbedReadTheRun) {
  ASSERT_EQ(run_nagare(tiny_run(run())).exit_code, 0);
  const Outcome judged = run_nagare({"eval", run(), "--json", "--device", "cpu"});
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  const json evaluation = json::parse(judged.out);
  const json results = read_json(run() + "/results.json");
  const json& trained = results["readouts"]["knn"];
  EXPECT_EQ(evaluation["readouts"]["knn"]["accuracy"], trained["final"]["accuracy"]);
  EXPECT_EQ(evaluation["accuracy_matrix"], trained["accuracy_matrix"]);

  const std::string stem = directory_ / "features";
  const Outcome embedded =
      run_nagare({"embed", run(), "--split", "test", "--out", stem, "--device", "cpu", "--json"});
  ASSERT_EQ(embedded.exit_code, 0) << embedded.err;
  const json said = json::parse(embedded.out);
  EXPECT_EQ(said["images"], 20);
  EXPECT_EQ(said["feature_dim"], 32);
  EXPECT_GT(std::filesystem::file_size(stem + ".npy"), 20U * 32U * 4U);
  EXPECT_THAT(read_all(stem + ".safetensors"), AllOf(HasSubstr("\"features\""), HasSubstr("\"labels\"")));
  EXPECT_THAT(read_all(stem + ".npy"), HasSubstr("(20, 32"));
}

TEST_F(RunTest, ADamagedCheckpointIsNamed) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  const std::string model = run() + "/checkpoints/step-000000001/model.safetensors";
  std::filesystem::resize_file(model, std::filesystem::file_size(model) - 1);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"eval", run(), "--device", "cpu"},
        {"train", "--resume", "--out", run(), "--max-steps", "2"}}) {
    const Outcome outcome = run_nagare(command);
    EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("model.safetensors"));
  }
}

TEST_F(RunTest, ADamagedHeaderIsACheckpointsFault) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  const std::string state = run() + "/checkpoints/step-000000001/state.safetensors";
  std::string bytes = read_all(state);
  bytes[20] = '\xff';
  write_all(state, bytes);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"eval", run(), "--device", "cpu"},
        {"train", "--resume", "--out", run(), "--max-steps", "2"}}) {
    const Outcome outcome = run_nagare(command);
    EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("state.safetensors"));
  }
}

}  // namespace
}  // namespace nagare::test
