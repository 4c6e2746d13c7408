// Stopping and going on with whole runs of the program: signals, the lock, damaged checkpoints, other machines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/manifest.h"
#include "apps/run_directory.h"
#include "engine/io/checksum.h"
#include "engine/io/safetensors.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kCheckpoint = 5;
constexpr int kCannotWrite = 6;
constexpr int kInUse = 10;
constexpr int kDifferent = 12;
constexpr int kSaved = 75;

class ResumedRunTest : public testing::Test {
 protected:
  std::string run() const { return directory_ / "run"; }
  Outcome go_on(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train", "--resume", "--out", run()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_nagare(arguments);
  }
  std::string checkpoint(const std::string& of, int step) const {
    return of + "/checkpoints/step-00000000" + std::to_string(step);
  }
  static void damage(const std::string& file) {
    std::string bytes = read_all(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    write_all(file, bytes);
  }
  // Sends `signal` once when stderr holds `text`.
  static Launch send(int signal, const std::string& text) {
    return {.meanwhile = [signal, text, sent = false](pid_t child, const std::string& err) mutable {
      if (sent || err.find(text) == std::string::npos) return;
      sent = true;
      kill(child, signal);
    }};
  }
  TemporaryDirectory directory_;
};

// Every file below, by name.
std::map<std::string, std::string> tree(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files[entry.path()] = read_all(entry.path());
  return files;
}

// metrics.jsonl without what a clock says.
std::vector<json> lines_of(const std::string& run) {
  std::vector<json> lines;
  std::istringstream text(read_all(run + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(json::parse(line));
    for (const char* clock : {"t", "wall", "seconds", "memory_bytes", "run"}) lines.back().erase(clock);
  }
  return lines;
}

void expect_same_end(const std::string& a, const std::string& b, int step) {
  EXPECT_EQ(lines_of(a), lines_of(b));
  for (const char* file : {"model.safetensors", "state.safetensors"}) {
    const std::string name = "/checkpoints/step-00000000" + std::to_string(step) + "/" + file;
    EXPECT_TRUE(read_all(a + name) == read_all(b + name)) << file;
  }
}

const std::vector<std::string> kOften = {"--checkpoint-every", "1",  "--strategy",   "er", "--buffer",  "8",
                                         "--method.hidden",    "32", "--method.dim", "16", "--gallery", "0"};

TEST_F(ResumedRunTest, ADamagedNewestCheckpointCostsStepsAndNothingElse) {
  const std::string other = directory_ / "other";
  ASSERT_EQ(run_nagare(tiny_run(other, kOften)).exit_code, 0);
  ASSERT_EQ(run_nagare(tiny_run(run(), kOften)).exit_code, 0);
  damage(checkpoint(run(), 4) + "/state.safetensors");
  const Outcome judged = run_nagare({"eval", run(), "--device", "cpu", "--eval.measure-images", "0"});
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_THAT(judged.err, AllOf(HasSubstr("step-000000004/state.safetensors: damaged"), HasSubstr("step 3")));
  EXPECT_EQ(run_nagare({"checkpoint", "verify", run()}).exit_code, kCheckpoint);

  const Outcome resumed = go_on();
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err,
              AllOf(HasSubstr("step-000000004/state.safetensors: damaged"), HasSubstr("(step 3)")));
  EXPECT_TRUE(std::filesystem::exists(run() + "/checkpoints/damaged-step-000000004"));
  expect_same_end(other, run(), 4);
  EXPECT_EQ(run_nagare({"checkpoint", "diff", run(), other}).exit_code, 0);
}

TEST_F(ResumedRunTest, AFinishedRunStaysAsItIs) {
  ASSERT_EQ(run_nagare(tiny_run(run(), kOften)).exit_code, 0);
  const auto before = tree(run());
  const Outcome again = go_on();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("nothing is left to do"));
  EXPECT_EQ(go_on({"--json"}).out, read_all(run() + "/results.json"));
  EXPECT_TRUE(tree(run()) == before);

  // Also when somebody made room.
  std::filesystem::remove_all(run() + "/checkpoints");
  const auto cleared = tree(run());
  const Outcome refused = go_on();
  EXPECT_EQ(refused.exit_code, kCheckpoint);
  EXPECT_THAT(refused.err, HasSubstr("its checkpoints are gone"));
  EXPECT_TRUE(tree(run()) == cleared);
}

TEST_F(ResumedRunTest, WhatIsRefusedHasChangedNothing) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2", "--checkpoint-every", "2"})).exit_code, 0);
  damage(checkpoint(run(), 2) + "/model.safetensors");
  const auto before = tree(run());
  const Outcome outcome = go_on({"--max-steps", "0", "--eval-every", "1"});
  EXPECT_EQ(outcome.exit_code, kCheckpoint);
  EXPECT_THAT(outcome.err, HasSubstr("model.safetensors: damaged"));
  EXPECT_TRUE(tree(run()) == before);
}

// A stranger's checkpoint may have the right checksums and any content.
TEST_F(ResumedRunTest, AStateMadeByHandIsRefusedWithWhatIsWrong) {
  std::vector<std::string> arguments = kOften;
  arguments.insert(arguments.end(), {"--max-steps", "2"});
  ASSERT_EQ(run_nagare(tiny_run(run(), arguments)).exit_code, 0);
  const io::Path directory = checkpoint(run(), 2);
  const std::string whole = read_all(directory / "state.safetensors");
  const std::string sealed = read_all(directory / "manifest.json");
  const auto put = [&](const std::string& name, std::int64_t element, std::int64_t value) {
    write_all(directory / "state.safetensors", whole);
    const io::SafetensorsFile file = io::read_safetensors(directory / "state.safetensors");
    std::vector<io::NamedTensor> tensors;
    for (const io::TensorInfo& info : file.tensors()) tensors.push_back({info.name, file.load(info.name)});
    std::ranges::find(tensors, name, &io::NamedTensor::name)->tensor.data<std::int64_t>()[element] = value;
    io::write_safetensors(directory / "state.safetensors", tensors, file.metadata());
    const std::vector<std::byte> bytes = io::read_file(directory / "state.safetensors");
    apps::Manifest manifest = apps::parse_manifest(sealed, "manifest");
    for (apps::FileRecord& record : manifest.files) {
      if (record.name == "state.safetensors") record.checksum = io::checksum(bytes);
    }
    write_all(directory / "manifest.json", apps::to_text(manifest));
  };
  std::filesystem::remove_all(checkpoint(run(), 1));
  const auto expect_refused = [&](const std::string& reason) {
    ASSERT_EQ(run_nagare({"checkpoint", "verify", run()}).exit_code, 0) << "its checksums are right";
    const auto before = tree(run());
    const Outcome outcome = go_on({"--max-steps", "0"});
    EXPECT_EQ(outcome.exit_code, kCheckpoint) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("state.safetensors"), HasSubstr(reason)));
    EXPECT_TRUE(tree(run()) == before);
  };
  put("trainer.position", 1, 1'000'000);
  expect_refused("trainer.position holds 1000000 at 1, need 0 to 4");
  put("trainer.position", 1, 0);
  expect_refused("position: 2 updates after 0 of 4 batches");
  put("strategy.reservoir.seen", 0, -1);
  expect_refused("seen holds -1 at 0, need 0 to");
  put("strategy.reservoir.ids", 0, 4000);
  expect_refused("holds image 4000, which the stream has not");
  put("trainer.position", 0, 2);
  EXPECT_EQ(go_on({"--max-steps", "0"}).exit_code, 0);
}

// The last bits depend on the number of threads: a run goes on with that of its checkpoint.
TEST_F(ResumedRunTest, OtherThreadsAreRefusedUnlessAllowed) {
  std::vector<std::string> arguments = tiny_run(run(), {"--max-steps", "2"});
  ASSERT_EQ(arguments.back(), "2");
  arguments.insert(arguments.end(), kOften.begin(), kOften.end());
  const auto threads = std::ranges::find(arguments, "--threads");
  *(threads + 1) = "2";
  ASSERT_EQ(run_nagare(arguments).exit_code, 0);
  const auto before = tree(run());
  const Outcome refused = go_on({"--threads", "1", "--max-steps", "3"});
  EXPECT_EQ(refused.exit_code, kCheckpoint);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("threads: 1 here, 2 there"), HasSubstr("--allow-inexact")));
  EXPECT_TRUE(tree(run()) == before);
  const Outcome allowed = go_on({"--threads", "1", "--max-steps", "3", "--allow-inexact"});
  EXPECT_EQ(allowed.exit_code, 0) << allowed.err;
  EXPECT_THAT(allowed.err, HasSubstr("threads: 1 here, 2 there"));
}

TEST_F(ResumedRunTest, WhatAutoChoseStays) {
  std::vector<std::string> arguments = tiny_run(run(), {"--max-steps", "2"});
  const auto threads = std::ranges::find(arguments, "--threads");
  arguments.erase(threads, threads + 2);
  ASSERT_EQ(run_nagare(arguments, {.environment = {{"NAGARE_THREADS", "3"}}}).exit_code, 0);
  const Outcome outcome = go_on({"--max-steps", "3"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("3 threads"));
  EXPECT_THAT(read_all(run() + "/config.resolved.toml"), HasSubstr("threads = 3  # checkpoint of step 2"));
}

// The stream of a folder of images depends on what lies there.
TEST_F(ResumedRunTest, AnotherStreamIsRefused) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2"})).exit_code, 0);
  const std::string config = run() + "/config.resolved.toml";
  std::string text = read_all(config);
  text.replace(text.find("per-class=10"), 12, "per-class=11");
  write_all(config, text);
  const Outcome outcome = go_on({"--max-steps", "0"});
  EXPECT_EQ(outcome.exit_code, kCheckpoint);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("another stream"), HasSubstr("has the data changed")));
}

TEST_F(ResumedRunTest, TheSchemaBeforeGoesOn) {
  std::vector<std::string> arguments = tiny_run(run(), kOften);
  arguments.insert(arguments.end(), {"--max-steps", "3"});
  ASSERT_EQ(run_nagare(arguments).exit_code, 0);
  const std::string manifest = checkpoint(run(), 3) + "/manifest.json";
  json m = json::parse(read_all(manifest));
  m["schema"] = 2;
  for (const char* key : {"version", "stream_digest", "metrics_bytes", "arithmetic", "checksum"})
    m.erase(key);
  for (auto& file : m["files"]) {
    file.erase("checksum");
    file.erase("tensors");
  }
  write_all(manifest, m.dump(2));
  const Outcome resumed = go_on({"--max-steps", "0"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("schema 2"));
  EXPECT_EQ(run_nagare({"checkpoint", "verify", run()}).exit_code, 0);
}

// One that was stopped before its first, for instance.
TEST_F(ResumedRunTest, ARunWithoutACheckpointIsNotCalledDamaged) {
  std::filesystem::create_directories(run());
  write_all(run() + "/config.resolved.toml", "seed = 1\n");
  const Outcome outcome = run_nagare({"checkpoint", "verify", run()});
  EXPECT_EQ(outcome.exit_code, kCheckpoint);
  EXPECT_THAT(outcome.err, HasSubstr(run() + ": holds no checkpoint"));
}

TEST_F(ResumedRunTest, ACheckpointThatCannotBeSeenIsACheckpointsFault) {
  const std::string inside_a_file = directory_ / "file/checkpoint";
  write_all(directory_ / "file", "");
  EXPECT_EQ(run_nagare({"checkpoint", "verify", inside_a_file}).exit_code, kCheckpoint);
  const std::string endless = std::string(300, 'x');
  const Outcome outcome = run_nagare({"checkpoint", "verify", endless});
  EXPECT_EQ(outcome.exit_code, kCheckpoint) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("File name too long"));
}

// To begin again would be the loss of a run.
TEST_F(ResumedRunTest, ARunWhoseCheckpointsCannotBeSeenDoesNotBeginAgain) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "2"})).exit_code, 0);
  std::filesystem::rename(run() + "/checkpoints", run() + "/elsewhere");
  write_all(run() + "/checkpoints", "in the way");
  const auto before = tree(run());
  const Outcome outcome = go_on({"--max-steps", "0"});
  EXPECT_EQ(outcome.exit_code, kCheckpoint) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: cannot list " + run() + "/checkpoints: Not a directory"));
  EXPECT_TRUE(tree(run()) == before);

  std::filesystem::remove(run() + "/checkpoints");
  std::filesystem::create_symlink("/nowhere/mounted", run() + "/checkpoints");
  const std::string metrics = read_all(run() + "/metrics.jsonl");
  const Outcome away = go_on({"--max-steps", "0"});
  EXPECT_EQ(away.exit_code, kCheckpoint) << away.err;
  EXPECT_THAT(away.err, HasSubstr("/checkpoints: No such file or directory"));
  EXPECT_EQ(read_all(run() + "/metrics.jsonl"), metrics);
}

// Older programs kept options that nothing looked at; they are no reason to refuse a run that they never changed.
TEST_F(ResumedRunTest, StoredOptionsWithoutEffectAreForgotten) {
  std::vector<std::string> arguments = tiny_run(run(), kOften);
  arguments.insert(arguments.end(), {"--max-steps", "3"});
  ASSERT_EQ(run_nagare(arguments).exit_code, 0);
  const std::string file = run() + "/config.resolved.toml";
  std::string config = read_all(file);
  const std::size_t at = config.find("schedule.end = 0");
  ASSERT_NE(at, std::string::npos) << config;
  write_all(file, config.substr(0, at) + "schedule.end = 0.05" +
                      config.substr(config.find_first_of(" \n", at + 15)));
  const Outcome resumed = go_on({"--max-steps", "0"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

class SignalTest : public ResumedRunTest, public testing::WithParamInterface<int> {};

TEST_P(SignalTest, SavesAndExits75) {
  const Outcome stopped =
      run_nagare(tiny_run(run(), {"--epochs", "500", "--method.hidden", "32", "--method.dim", "16"}),
                 send(GetParam(), "untrained network"));
  ASSERT_EQ(stopped.exit_code, kSaved) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("go on with: nagare train --resume --out " + run()));
  const json status = json::parse(read_all(run() + "/STATUS.json"));
  EXPECT_EQ(status["state"], "stopped");
  EXPECT_EQ(run_nagare({"checkpoint", "verify", run()}).exit_code, 0);
  EXPECT_EQ(json::parse(run_nagare({"checkpoint", "show", run(), "--json"}).out)["manifest"]["step"],
            status["step"]);
}

// A long evaluation keeps no scheduler waiting: it is given up at once, and the run that goes on makes it.
TEST_F(ResumedRunTest, AnEvaluationIsGivenUpForASignal) {
  const std::vector<std::string> endless = {"--eval.readouts", "linear-moco", "--eval.epochs", "1000000"};
  const Outcome stopped = run_nagare(tiny_run(run(), endless), send(SIGTERM, "run directory"));
  ASSERT_EQ(stopped.exit_code, kSaved) << stopped.err;
  EXPECT_EQ(json::parse(read_all(run() + "/STATUS.json"))["step"], 0);
  EXPECT_EQ(run_nagare({"checkpoint", "verify", run()}).exit_code, 0);
  EXPECT_EQ(go_on({"--dry-run"}).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, SignalTest, testing::Values(SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2),
                         [](const auto& info) { return std::string(sigabbrev_np(info.param)); });

// nohup's way of saying that the terminal does not matter.
TEST_F(ResumedRunTest, AnIgnoredHangUpStaysIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  const Outcome outcome = run_nagare(tiny_run(run(), {"--max-steps", "2"}), send(SIGHUP, "run directory"));
  std::signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

// A scheduler's warning is no first SIGTERM: the SIGTERM that follows still waits for the step.
TEST_F(ResumedRunTest, AWarningIsNoFirstTermination) {
  int sent = 0;
  const Launch launch{.meanwhile = [&](pid_t child, const std::string& err) {
    if (sent > 0 || err.find("untrained network") == std::string::npos) return;
    sent = 1;
    for (const int signal : {SIGUSR1, SIGUSR1, SIGUSR2, SIGHUP, SIGTERM}) kill(child, signal);
  }};
  EXPECT_EQ(run_nagare(tiny_run(run(), {"--epochs", "500"}), launch).exit_code, kSaved);
}

TEST_F(ResumedRunTest, ASecondTerminationEndsAtOnceWithItsOwnCode) {
  int sent = 0;
  const Launch launch{.meanwhile = [&](pid_t child, const std::string& err) {
    if (sent == 0 && err.find("run directory") != std::string::npos) {
      sent = 1;
      kill(child, SIGTERM);
    } else if (sent == 1 && err.find("once more") != std::string::npos) {
      sent = 2;
      kill(child, SIGTERM);
    }
  }};
  const Outcome outcome = run_nagare(
      {"train", "--device", "cpu", "--data", "fractal:classes=4,per-class=500,test-per-class=5,size=32",
       "--stream", "iid", "--stream-batch", "2000", "--model", "resnet18:width=16", "--eval.bank-images",
       "20", "--eval.test-images", "20", "--out", run()},
      launch);
  EXPECT_EQ(outcome.exit_code, 128 + SIGTERM) << outcome.err;
}

TEST_F(ResumedRunTest, ADirectoryInUseIsRefusedAndItsHolderNamed) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  {
    const apps::RunDirectory held(run(), /*resume=*/true);
    // Data that is not there shows that nothing slow comes first.
    for (const auto& arguments : {std::vector<std::string>{"train", "--resume", "--out", run()},
                                  tiny_run(run(), {"--data", "cifar10:/nowhere"})}) {
      const Outcome refused = run_nagare(arguments);
      EXPECT_EQ(refused.exit_code, kInUse) << refused.err;
      EXPECT_THAT(refused.err, HasSubstr("process " + std::to_string(getpid()) + " on "));
    }
  }
  EXPECT_EQ(read_all(run() + "/.lock"), "");
}

TEST_F(ResumedRunTest, TheLockOfAKilledProcessIsFreeAtOnce) {
  const Outcome killed = run_nagare(tiny_run(run(), {"--epochs", "500"}), send(SIGKILL, "untrained network"));
  ASSERT_EQ(killed.exit_code, 128 + SIGKILL);
  const Outcome outcome = go_on({"--max-steps", "1"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

// Killed before its configuration was written: the same command begins again.
TEST_F(ResumedRunTest, WhatWasHardlyBegunIsBegunAgain) {
  std::filesystem::create_directories(run());
  for (const char* name : {".lock", "log.jsonl", "metrics.jsonl", "config.resolved.toml.tmp-12-0"})
    write_all(run() + "/" + name, "");
  EXPECT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(run() + "/config.resolved.toml.tmp-12-0"));
}

// Its configuration could not be written, which was said.
TEST_F(ResumedRunTest, WhatFailedBeforeItBeganIsBegunAgain) {
  std::filesystem::create_directories(run());
  for (const char* name : {"log.jsonl", "STATUS.json", "crash.txt", "STATUS.json.tmp-crash"})
    write_all(run() + "/" + name, "{}\n");
  EXPECT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, kCannotWrite) << "somebody else's";
  EXPECT_EQ(read_all(run() + "/log.jsonl"), "{}\n");
  write_all(run() + "/.lock", "");
  write_all(run() + "/metrics.jsonl", "{\"step\":1}\n");
  const Outcome refused = run_nagare(tiny_run(run(), {"--max-steps", "1"}));
  EXPECT_EQ(refused.exit_code, kCannotWrite) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("is not a run directory"));
  write_all(run() + "/metrics.jsonl", "");
  EXPECT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(run() + "/crash.txt")) << "it tells of another process";
}

// Killed after its configuration was written: --resume, and the first line is there once.
TEST_F(ResumedRunTest, WhatWasBegunButForItsFirstLineIsBegunAgain) {
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  for (const char* name : {"checkpoints", "metrics.jsonl", "results.json"})
    std::filesystem::remove_all(run() + "/" + name);
  write_all(run() + "/STATUS.json", "{\"state\": \"running\"}\n");
  ASSERT_EQ(go_on().exit_code, 0);
  EXPECT_EQ(lines_of(run()).at(0)["schema"], 2);
}

TEST_F(ResumedRunTest, CheckpointsAreComparedTensorByTensor) {
  const std::string other = directory_ / "other";
  ASSERT_EQ(run_nagare(tiny_run(run(), {"--max-steps", "1"})).exit_code, 0);
  ASSERT_EQ(run_nagare(tiny_run(other, {"--max-steps", "1", "--optim.lr", "0.2"})).exit_code, 0);
  const Outcome outcome = run_nagare({"checkpoint", "diff", run(), other, "--json"});
  EXPECT_EQ(outcome.exit_code, kDifferent) << outcome.err;
  const json said = json::parse(outcome.out);
  EXPECT_THAT(said["different"].get<std::vector<std::string>>(),
              AllOf(testing::Contains("model.safetensors: conv1.weight"),
                    Not(testing::Contains("state.safetensors: trainer.position"))));
  EXPECT_GT(said["equal"].get<int>(), 0);
  EXPECT_THAT(run_nagare({"checkpoint", "show", run()}).out,
              AllOf(HasSubstr("step 1"), HasSubstr("conv1.weight")));
  const json verified = json::parse(run_nagare({"checkpoint", "verify", run(), "--json"}).out);
  EXPECT_EQ(verified["checkpoints"][0]["good"], true);
  EXPECT_EQ(run_nagare({"checkpoint", "verify", directory_ / "nowhere"}).exit_code, kCheckpoint);
}

// Order and augmentation do not depend on the threads: with a learning rate of 0 neither does any loss or the buffer.
TEST_F(ResumedRunTest, ThreadsChangeNeitherOrderNorAugmentation) {
  std::vector<std::vector<json>> logs;
  std::vector<std::string> images;
  for (const char* threads : {"1", "2", "5"}) {
    const std::string out = directory_ / threads;
    std::vector<std::string> arguments = tiny_run(out, kOften);
    *(std::ranges::find(arguments, "--threads") + 1) = threads;
    arguments.insert(arguments.end(), {"--optim.lr", "0"});
    ASSERT_EQ(run_nagare(arguments).exit_code, 0);
    logs.push_back(lines_of(out));
    const json shown = json::parse(run_nagare({"checkpoint", "show", out, "--json"}).out);
    images.push_back(shown["manifest"]["files"][1]["tensors"]["strategy.reservoir.images"]);
  }
  for (std::size_t i : {1U, 2U}) {
    EXPECT_EQ(logs[0], logs[i]);
    EXPECT_EQ(images[0], images[i]);
  }
}

}  // namespace
}  // namespace nagare::test
