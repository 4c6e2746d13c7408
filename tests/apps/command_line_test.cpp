// Help, usage errors, tables and machine-readable output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kUsage = 2;
constexpr int kConfig = 3;

TEST(CommandLineTest, HelpTeaches) {
  const Outcome outcome = run_nagare({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("nagare train --preset demo"), HasSubstr("Exit codes"), HasSubstr("embed")));
  EXPECT_EQ(outcome.err, "");
}

TEST(CommandLineTest, EveryCommandHasHelpWithAnExampleAndDefaults) {
  for (const char* command :
       {"train", "eval", "embed", "report", "sweep", "list", "info", "data", "checkpoint", "doctor"}) {
    const Outcome outcome = run_nagare({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr(std::string("nagare ") + command)) << command;
  }
  for (const char* action : {"\n  verify  ", "\n  show    ", "\n  diff    "})
    EXPECT_THAT(run_nagare({"checkpoint", "--help"}).out, HasSubstr(action));
  for (const char* action : {"\n  show    ", "\n  stream  ", "\n  list    "})
    EXPECT_THAT(run_nagare({"data", "--help"}).out, HasSubstr(action));
  EXPECT_THAT(run_nagare({"train", "--help"}).out, AllOf(HasSubstr("--optim.lr"), HasSubstr("resnet18"),
                                                         HasSubstr("--steps-per-batch"), HasSubstr("0.07")));
}

TEST(CommandLineTest, NoCommandIsAUsageError) {
  const Outcome outcome = run_nagare({});
  EXPECT_EQ(outcome.exit_code, kUsage);
  EXPECT_THAT(outcome.err, StartsWith("error: a command is missing"));
  EXPECT_EQ(outcome.out, "");
}

TEST(CommandLineTest, UnknownCommandsAndFlagsNameTheNearest) {
  const Outcome command = run_nagare({"trian"});
  EXPECT_EQ(command.exit_code, kUsage);
  EXPECT_THAT(command.err, HasSubstr("unknown command trian; nearest is train"));
  const Outcome flag = run_nagare({"train", "--methdo", "simsiam"});
  EXPECT_EQ(flag.exit_code, kUsage);
  EXPECT_THAT(flag.err, HasSubstr("unknown flag --methdo; nearest is --method"));
  const Outcome extra = run_nagare({"list", "methods", "strategies"});
  EXPECT_EQ(extra.exit_code, kUsage);
  EXPECT_THAT(extra.err, HasSubstr("unexpected argument strategies"));
  const Outcome topic = run_nagare({"list", "method"});
  EXPECT_EQ(topic.exit_code, kUsage);
  EXPECT_THAT(topic.err, HasSubstr("methods"));
}

TEST(CommandLineTest, AFlagWithoutItsValueIsAUsageError) {
  EXPECT_EQ(run_nagare({"train", "--data"}).exit_code, kUsage);
  EXPECT_EQ(run_nagare({"train", "--method.temperature"}).exit_code, kUsage);
  EXPECT_EQ(run_nagare({"train", "--seed", "1", "--seed", "2"}).exit_code, kUsage);
}

TEST(CommandLineTest, VersionInThreeWays) {
  EXPECT_THAT(run_nagare({"--version"}).out, StartsWith("nagare 0."));
  EXPECT_THAT(run_nagare({"version"}).out, StartsWith("nagare 0."));
  EXPECT_TRUE(json::parse(run_nagare({"version", "--json"}).out).contains("version"));
}

TEST(CommandLineTest, ListsComeFromTheTables) {
  const json lists = json::parse(run_nagare({"list", "--json"}).out);
  for (const char* topic : {"methods", "strategies", "data", "streams", "models", "optimizers", "schedules",
                            "kernels", "presets"}) {
    ASSERT_TRUE(lists.contains(topic)) << topic;
    EXPECT_FALSE(lists[topic].empty()) << topic;
    for (const json& row : lists[topic]) {
      EXPECT_FALSE(row["name"].get<std::string>().empty()) << topic;
      EXPECT_FALSE(row["summary"].get<std::string>().empty()) << topic << " " << row["name"];
    }
  }
  EXPECT_THAT(run_nagare({"list", "methods"}).out, AllOf(HasSubstr("simclr"), HasSubstr("temperature")));
}

TEST(CommandLineTest, ModelsTellTheirOptions) {
  EXPECT_THAT(run_nagare({"list", "models"}).out,
              AllOf(HasSubstr("norm=batch|group"), HasSubstr("width=64")));
}

TEST(CommandLineTest, AnotherMethodThanThePresetsLeavesItsOptionsOut) {
  const Outcome method = run_nagare({"train", "--preset", "demo", "--method", "simsiam", "--dry-run"});
  EXPECT_EQ(method.exit_code, 0) << method.err;
  const Outcome strategy = run_nagare({"train", "--preset", "demo", "--strategy", "er", "--dry-run"});
  EXPECT_EQ(strategy.exit_code, 0) << strategy.err;
  const Outcome asked = run_nagare(
      {"train", "--preset", "demo", "--method", "simsiam", "--method.patch-scale", "0.5", "--dry-run"});
  EXPECT_EQ(asked.exit_code, kConfig);
  EXPECT_THAT(asked.err, HasSubstr("--method.patch-scale: simsiam: unknown option"));
}

// A tiny source of as many classes as the preset is for, a narrow network, and no more images of a task or updates of warm-up than that
// source has.
std::vector<std::string> tiny_run_of(const std::string& name) {
  const bool published_size = name.ends_with("imagenet100") || name.ends_with("domainnet");
  std::string data = "fractal:classes=10,per-class=60,test-per-class=2,size=16";
  if (name.ends_with("100") || name.ends_with("tinyimagenet"))
    data = "fractal:classes=100,per-class=26,test-per-class=1,size=16";
  if (name.ends_with("domainnet")) {
    const std::string domain = "fractal:classes=2,per-class=130,test-per-class=1,size=16,seed=";
    data = domain + "1;" + domain + "2;" + domain + "3";
  }
  std::vector<std::string> arguments = {"train", "--preset", name,  "--data",
                                        data,    "--device", "cpu", "--dry-run"};
  arguments.insert(arguments.end(), {"--model", std::string("resnet18:width=2,stem=") +
                                                    (published_size ? "imagenet" : "cifar")});
  const bool replays = name.starts_with("minred") || name.starts_with("emp");
  if (published_size && name.starts_with("cassle") && !name.starts_with("cassle-moco"))
    arguments.insert(arguments.end(), {"--schedule.warmup-steps", "1"});
  if (published_size && replays)
    arguments.insert(arguments.end(), {"--stream", "seq:10,samples=150,boundaries=hidden"});
  if (name.starts_with("minred-correlated"))
    arguments.insert(arguments.end(), {"--stream", "seq:20,runs=8,samples=20,boundaries=hidden"});
  if (name.starts_with("scale"))
    arguments.insert(arguments.end(),
                     {"--stream", "seq:10,samples=30/60,boundaries=hidden", "--stream-batch", "20"});
  return arguments;
}

TEST(CommandLineTest, WhatAnotherChoiceWouldNotLookAtIsLeftOutOfAPreset) {
  const auto with = [](const std::string& preset, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = tiny_run_of(preset);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_nagare(arguments);
  };
  const Outcome constant = with("cassle-barlow-seq-cifar100", {"--schedule", "constant"});
  EXPECT_EQ(constant.exit_code, 0) << constant.err;
  EXPECT_THAT(constant.out, AllOf(HasSubstr("schedule.warmup-steps = 0  # default"),
                                  HasSubstr("schedule.restart = \"task\"  # preset")));
  const Outcome ridge = with("scale-seq-cifar10", {"--eval.readouts", "ridge"});
  EXPECT_EQ(ridge.exit_code, 0) << ridge.err;
  EXPECT_THAT(ridge.out, HasSubstr("eval.neighbours = 20  # default"));
  const Outcome asked =
      with("cassle-barlow-seq-cifar100", {"--schedule", "constant", "--schedule.warmup-steps", "3"});
  EXPECT_EQ(asked.exit_code, kConfig);
  EXPECT_THAT(asked.err, HasSubstr("--schedule.warmup-steps is \"3\""));
}

// Every preset parses and its run can be made: its own method, strategy, stream and optimiser.
TEST(CommandLineTest, EveryPresetIsAValidConfiguration) {
  const json presets = json::parse(run_nagare({"list", "presets", "--json"}).out)["presets"];
  EXPECT_GT(presets.size(), 60U);
  for (const json& preset : presets) {
    const std::string name = preset["name"];
    const Outcome outcome = run_nagare(tiny_run_of(name));
    EXPECT_EQ(outcome.exit_code, 0) << name << ": " << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("preset " + name + ":")) << name;
  }
}

TEST(CommandLineTest, InfoTellsTheMachine) {
  const json info = json::parse(run_nagare({"info", "--json", "--device", "cpu"}).out);
  EXPECT_EQ(info["device"], "cpu");
  EXPECT_GT(info["memory_bytes"].get<std::uint64_t>(), 0U);
  EXPECT_GE(info["cores"].get<int>(), 1);
  EXPECT_THAT(run_nagare({"info", "--device", "cpu"}).out, HasSubstr("processor"));
}

// Columns of equal length, one row for each arriving image, and a digest that the table has too.
TEST(CommandLineTest, ADryStreamListsEveryArrival) {
  const std::vector<std::string> stream = {
      "data",           "stream",
      "--data",         "fractal:classes=2,per-class=3,test-per-class=1,size=8",
      "--data",         "perlin:classes=2,per-class=3,test-per-class=1,size=8",
      "--stream",       "domain,runs=2,rotate=90",
      "--stream-batch", "4",
      "--dry-run"};
  std::vector<std::string> as_json = stream;
  as_json.emplace_back("--json");
  const json listed = json::parse(run_nagare(as_json).out);
  EXPECT_EQ(listed["images"], 24);
  EXPECT_EQ(listed["boundaries"], "exposed");
  EXPECT_EQ(listed["tasks"][1]["domain"], "perlin");
  for (const char* column : {"position", "batch", "task", "class", "image", "frame", "angle", "zoom", "hue"})
    EXPECT_EQ(listed["arrivals"][column].size(), 24U) << column;
  EXPECT_EQ(listed["arrivals"]["position"][23], 23);
  EXPECT_EQ(listed["arrivals"]["task"][0], 1);
  EXPECT_EQ(listed["arrivals"]["task"][23], 2);
  EXPECT_EQ(listed["arrivals"]["image"][0], listed["arrivals"]["image"][1]);
  const std::string text = run_nagare(stream).out;
  EXPECT_THAT(text, AllOf(HasSubstr("position  batch  task  class"), HasSubstr("perlin/noise 1"),
                          HasSubstr("digest " + listed["digest"].get<std::string>())));
  EXPECT_EQ(run_nagare(as_json).out, run_nagare(as_json).out);
  EXPECT_THAT(run_nagare({"list", "streams"}).out, AllOf(HasSubstr("avalanche"), HasSubstr("blur")));
}

// Two sources with one set of class names, trained one after the other: the run's results have a row for each of them, and eval takes
// sources, labels and stream from the checkpoint.
TEST(CommandLineTest, SourcesInSequenceAreTrainedAndJudged) {
  const std::string out = testing::TempDir() + "nagare-domains-" + std::to_string(getpid());
  const std::string source = "fractal:classes=2,per-class=8,test-per-class=4,size=8,seed=";
  const Outcome trained = run_nagare({"train",
                                      "--data",
                                      source + "1",
                                      "--data",
                                      source + "2",
                                      "--data-labels",
                                      "by-name",
                                      "--stream",
                                      "domain",
                                      "--stream-batch",
                                      "8",
                                      "--model",
                                      "resnet18:width=2",
                                      "--method.hidden",
                                      "8",
                                      "--method.dim",
                                      "8",
                                      "--method.predictor-hidden",
                                      "4",
                                      "--eval.neighbours",
                                      "3",
                                      "--device",
                                      "cpu",
                                      "--out",
                                      out,
                                      "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("32 training and 16 test images of 2 classes"));
  const Outcome judged = run_nagare({"eval", out, "--json", "--device", "cpu"});
  std::filesystem::remove_all(out);
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  const json again = json::parse(judged.out);
  EXPECT_EQ(again["data"], source + "1;" + source + "2");
}

TEST(CommandLineTest, DataShowsASourceAndAStream) {
  const std::string spec = "fractal:classes=4,per-class=6,test-per-class=3,size=16";
  const json shown = json::parse(run_nagare({"data", "show", spec, "--json"}).out);
  EXPECT_EQ(shown["train"], 24);
  EXPECT_EQ(shown["test"], 12);
  EXPECT_EQ(shown["image_size"], 16);
  EXPECT_EQ(shown["classes"].size(), 4U);
  const json stream = json::parse(
      run_nagare({"data", "stream", spec, "--stream", "seq:2", "--stream-batch", "5", "--json"}).out);
  ASSERT_EQ(stream["tasks"].size(), 2U);
  EXPECT_EQ(stream["tasks"][0]["images"], 12);
  EXPECT_EQ(stream["tasks"][0]["batches"], 3);
  EXPECT_THAT(run_nagare({"data", "list"}).out, HasSubstr("cifar10"));
  EXPECT_EQ(run_nagare({"data", "burn"}).exit_code, kUsage);
}

}  // namespace
}  // namespace nagare::test
