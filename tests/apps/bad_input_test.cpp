// Whatever a user gets wrong: one clear line, the exit code of its kind, nothing written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int kConfig = 3;
constexpr int kData = 4;
constexpr int kCheckpoint = 5;
constexpr int kCannotWrite = 6;
constexpr int kDevice = 7;
constexpr std::size_t kRecord = 3073;  // a CIFAR-10 record: label, 32 x 32 x 3

class BadInputTest : public testing::Test {
 protected:
  std::string out() const { return directory_ / "run"; }

  // The whole command fails with `code`, says `what` in its first line, and leaves no run behind.
  void expect(const std::vector<std::string>& arguments, int code, const std::string& what) const {
    const Outcome outcome = run_nagare(arguments);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("error: "));
    const std::size_t begin = outcome.err.find("error: ");
    EXPECT_THAT(outcome.err.substr(begin, outcome.err.find('\n', begin) - begin), HasSubstr(what));
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(std::filesystem::exists(out())) << "something was written";
  }

  void expect_data(const std::string& spec, const std::string& what) const {
    expect({"train", "--device", "cpu", "--data", spec, "--out", out()}, kData, what);
  }
  void expect_train(const std::vector<std::string>& more, int code, const std::string& what) const {
    expect(tiny_run(out(), more), code, what);
  }

  // Five training files and a test file, of `records` images each.
  std::string write_cifar(std::size_t records) const {
    const std::string folder = directory_ / "cifar";
    std::filesystem::create_directories(folder);
    std::string bytes(records * kRecord, '\0');
    for (std::size_t i = 0; i < records; ++i) bytes[i * kRecord] = static_cast<char>(i % 10);
    for (int i = 1; i <= 5; ++i) write_all(folder + "/data_batch_" + std::to_string(i) + ".bin", bytes);
    write_all(folder + "/test_batch.bin", bytes);
    return folder;
  }

  TemporaryDirectory directory_;
};

TEST_F(BadInputTest, MissingData) {
  expect_data("cifar10:" + directory_ / "nowhere", "nowhere");
  const std::string folder = write_cifar(10);
  std::filesystem::remove(folder + "/data_batch_3.bin");
  expect_data("cifar10:" + folder, "data_batch_3.bin");
}

TEST_F(BadInputTest, EmptyDataFile) {
  const std::string folder = write_cifar(10);
  write_all(folder + "/data_batch_2.bin", "");
  expect_data("cifar10:" + folder, "data_batch_2.bin");
}

TEST_F(BadInputTest, TruncatedDataFile) {
  const std::string folder = write_cifar(10);
  std::filesystem::resize_file(folder + "/test_batch.bin", 5 * kRecord - 1);
  expect_data("cifar10:" + folder, "test_batch.bin");
}

TEST_F(BadInputTest, WrongSizeDataFile) {
  const std::string folder = write_cifar(10);
  write_all(folder + "/data_batch_1.bin", "hello");
  expect_data("cifar10:" + folder, "data_batch_1.bin");
}

TEST_F(BadInputTest, UnknownNamesSuggestTheNearest) {
  expect_train({"--method.temprature", "1"}, kConfig, "temprature");
  expect({"train", "--device", "cpu", "--out", out(), "--data", "cifar01:x"}, kConfig, "cifar10");
  expect({"train", "--device", "cpu", "--out", out(), "--data", "fractal:clases=3"}, kConfig, "classes");
  expect({"train", "--device", "cpu", "--out", out(), "--data",
          "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--method", "simcrl"},
         kConfig, "simclr");
  expect({"train", "--device", "cpu", "--out", out(), "--data",
          "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--strategy", "minrad"},
         kConfig, "minred");
  expect({"train", "--device", "cpu", "--out", out(), "--data",
          "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--model", "resnet81"},
         kConfig, "resnet18");
  expect({"train", "--device", "cpu", "--out", out(), "--data",
          "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--stream", "sec:2"},
         kConfig, "seq");
  expect_train({"--optim", "sdg"}, kConfig, "sgd");
  expect_train({"--schedule", "cosin"}, kConfig, "cosine");
  expect({"train", "--preset", "dmeo", "--out", out()}, kConfig, "demo");
}

TEST_F(BadInputTest, AbsurdValues) {
  expect_train({"--optim.lr", "nan"}, kConfig, "--optim.lr");
  expect_train({"--optim.lr", "-1"}, kConfig, "--optim.lr");
  expect_train({"--optim.momentum", "1.5"}, kConfig, "--optim.momentum");
  expect_train({"--eval.neighbours", "0"}, kConfig, "--eval.neighbours");
  expect_train({"--eval.temperature", "0"}, kConfig, "--eval.temperature");
  expect_train({"--steps-per-batch", "0"}, kConfig, "--steps-per-batch");
  expect_train({"--max-steps", "1e3"}, kConfig, "--max-steps");
  expect_train({"--epochs", "99999999999999999999"}, kConfig, "--epochs");
  expect_train({"--schedule", "step", "--schedule.milestones", "1,"}, kConfig, "need a whole number");
  const std::vector<std::string> start = {"train", "--device", "cpu", "--out", out()};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), start.begin(), start.end());
    return more;
  };
  expect(with({"--seed", "-1"}), kConfig, "--seed");
  expect(with({"--threads", "1000000"}), kConfig, "--threads");
  expect(with({"--stream-batch", "0"}), kConfig, "--stream-batch");
  expect(with({"--data", "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--stream-batch", "1"}),
         kConfig, "batch of a single image");
  expect(with({"--precision", "fp8"}), kConfig, "fp8");
  const std::string five = "fractal:classes=5,per-class=4,test-per-class=2,size=16";
  expect(with({"--data", five, "--schedule.restart", "always"}), kConfig, "need never or task");
  expect(with({"--data", five, "--stream", "seq:5,boundaries=hidden", "--stream-batch", "4",
               "--optim.restart", "task"}),
         kConfig, "optim.restart is \"task\", and the stream hides");
  expect(with({"--data", "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--stream", "seq:3"}),
         kConfig, "seq:3");
  expect(with({"--data", "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--model",
               "resnet18:width=0"}),
         kConfig, "width");
  expect(with({"--data", "fractal:size=100000"}), kConfig, "size");
  expect(with({"--data", "fractal:classes=5,per-class=4,test-per-class=2,size=16", "--class-order", "0,1"}),
         kConfig, "0,1");
}

// An update of 10 arriving images, and of 5 that er replays from the second on.
TEST_F(BadInputTest, AQueueThatAnUpdateDoesNotGoInto) {
  for (const char* dry : {"--dry-run=false", "--dry-run"}) {
    const auto refused = [&](std::vector<std::string> more, const std::string& what) {
      more.emplace_back(dry);
      expect_train(more, kConfig, what);
    };
    refused({"--method", "moco", "--method.queue", "19"},
            "10 arriving images in an update, 2 keys each, do not go into a queue of 19 keys");
    refused({"--method", "moco", "--method.queue", "14", "--method.symmetric", "off", "--strategy", "er",
             "--replay", "5"},
            "need --method.queue 15 or more, or fewer images (--stream-batch, --replay)");
    refused({"--method", "swav", "--method.queue", "14", "--strategy", "er", "--replay", "5"},
            "10 arriving images and 5 replayed ones");
  }
  const auto done = [&](const std::string& method, const std::string& queue) {
    return run_nagare(tiny_run(out(), {"--method", method, "--method.queue", queue, "--strategy", "er",
                                       "--replay", "5", "--dry-run"}))
        .exit_code;
  };
  EXPECT_EQ(done("moco", "30"), 0);
  EXPECT_EQ(done("swav", "15"), 0);
  EXPECT_EQ(done("swav", "0"), 0);
}

TEST_F(BadInputTest, WhatAScheduleDoesNotLookAt) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    expect_train(more, kConfig, what);
  };
  refused({"--schedule", "ema_tau"}, "unknown schedule \"ema_tau\"");
  refused({"--schedule.warmup-steps", "1"}, "--schedule.warmup-steps is \"1\", and schedule constant");
  refused({"--schedule", "cosine_annealing", "--schedule.warmup-steps", "1"},
          "need one of the warmup_* schedules, or leave it out");
  refused({"--schedule", "cosine_annealing", "--schedule.start", "1"}, "--schedule.start");
  refused({"--schedule", "step", "--schedule.milestones", "2", "--schedule.end", "1"}, "--schedule.end");
  refused({"--schedule.gamma", "0.5"}, "need schedule step");
  refused({"--schedule", "warmup_cosine", "--schedule.warmup-steps", "1", "--schedule.milestones", "3"},
          "--schedule.milestones");
  refused({"--schedule", "warmup_cosine", "--schedule.start", "1"}, "need --schedule.warmup-steps");
  refused({"--schedule", "step"}, "--schedule: schedule step without milestones never changes");
  const std::string file = directory_ / "my.toml";
  write_all(file, "[schedule]\nname = \"step\"\nmilestones = [2]\nend = 0.5\n");
  refused({"--config", file}, "my.toml:4: schedule.end is \"0.5\", and schedule step does not look at it");
  const Outcome done = run_nagare(tiny_run(
      out(), {"--schedule", "step", "--schedule.milestones", "1,2", "--schedule.end", "0", "--dry-run"}));
  EXPECT_EQ(done.exit_code, 0) << done.err;
}

TEST_F(BadInputTest, WhatAnOptimizerDoesNotLookAt) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    expect_train(more, kConfig, what);
  };
  refused({"--optim", "adma"}, "unknown optimizer \"adma\": nearest is \"adam\"");
  refused({"--optim", "adam", "--optim.momentum", "0.8"},
          "--optim.momentum is \"0.8\", and optimizer adam does not look at it: need optimizer sgd or lars, "
          "or leave it out");
  refused({"--optim", "lars", "--optim.dampening", "0.1"}, "--optim.dampening");
  refused({"--optim.beta1", "0.8"}, "need optimizer adam or adamw");
  refused({"--optim.lars.eta", "0.1"}, "need optimizer lars");
  refused({"--optim", "lars", "--optim.lars.variant", "sola"},
          "unknown variant of lars \"sola\": nearest is \"solo\"");
  refused({"--optim", "lars", "--optim.lars.variant", "fair", "--optim.lars.clip=false"},
          "optimizer lars as fair does not look at it: need lars as emp or solo");
  refused({"--optim", "lars", "--optim.decay-bias-and-norm"},
          "need --optim.lars.exclude-bias-and-norm=false");
  refused({"--optim.momentum", "0", "--optim.dampening", "0.5"},
          "there is no momentum: need --optim.momentum");
  const Outcome done = run_nagare(tiny_run(
      out(), {"--optim", "lars", "--optim.lars.variant", "fair", "--optim.lars.eta", "0.1", "--dry-run"}));
  EXPECT_EQ(done.exit_code, 0) << done.err;
}

TEST_F(BadInputTest, WhatAReadoutDoesNotLookAt) {
  const auto refused = [&](const std::string& readouts, std::vector<std::string> more,
                           const std::string& what) {
    more.insert(more.end(), {"--eval.readouts", readouts});
    expect_train(more, kConfig, what);
    more.insert(more.begin(), {"eval", directory_ / "nowhere", "--device", "cpu"});
    expect(more, kConfig, what);
  };
  refused("knn", {"--eval.bag-feature", "hidden"},
          "--eval.bag-feature is \"hidden\", and --eval.readouts knn does not look at it: need a readout "
          "bag:NAME, or leave it out");
  refused("knn,ridge", {"--eval.bag", "grid"}, "--eval.bag is \"grid\"");
  refused("knn", {"--eval.bag-patches", "2"}, "--eval.bag-patches");
  refused("bag:knn", {"--eval.bag", "grid", "--eval.bag-patches", "2"}, "need --eval.bag random");
  refused("knn-plain", {"--eval.temperature", "0.1"}, "need readout knn,");
  refused("knn-ucl,ridge", {"--eval.neighbours", "5"}, "need readout knn or knn-plain");
  refused("knn", {"--eval.epochs", "2"}, "--eval.epochs");
  refused("finetune,linear-emp,bag:linear-moco", {"--eval.augment"}, "--eval.augment is \"true\"");
  refused("knn,kmn", {}, "nearest is \"knn\"");
  refused("knn", {"--eval.bag", "circle"}, "random, grid or centre");
}

TEST_F(BadInputTest, TextThatIsNotUtf8) {
  expect({"train", "--device", "cpu", "--out", out() + "\xff"}, kConfig, "\\xff\": need valid UTF-8");
  expect({"train", "--device", "cpu", "--out", out(), "--method.views", "\xc3"}, kConfig, "need valid UTF-8");
}

TEST_F(BadInputTest, ContradictoryFlags) {
  const Outcome twice = run_nagare({"data", "show", "fractal", "--data", "fractal"});
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("given twice"));
  const Outcome repeated = run_nagare({"data", "show", "fractal", "--seed", "1", "--seed", "2"});
  EXPECT_EQ(repeated.exit_code, 2);
  EXPECT_THAT(repeated.err, HasSubstr("--seed is given 2 times"));
  const Outcome resume = run_nagare({"train", "--resume"});
  EXPECT_EQ(resume.exit_code, 2);
  EXPECT_THAT(resume.err, HasSubstr("--resume needs --out"));
}

TEST_F(BadInputTest, ConfigurationFiles) {
  expect({"train", "--config", directory_ / "absent.toml", "--out", out()}, kConfig, "absent.toml");
  const std::string file = directory_ / "my.toml";
  write_all(file, "data = \"fractal\"\n[optim]\nlearning_rate = 0.1\n");
  expect({"train", "--config", file, "--out", out()}, kConfig, "my.toml:3");
  write_all(file, "data = \"fractal\n");
  expect({"train", "--config", file, "--out", out()}, kConfig, "my.toml:1");
  write_all(file, std::string("\xff\xfe\x00", 3));
  expect({"train", "--config", file, "--out", out()}, kConfig, "my.toml:1");
}

TEST_F(BadInputTest, OutThatCannotBeWritten) {
  write_all(directory_ / "file", "");
  const std::vector<std::string> start = {
      "train", "--device", "cpu", "--data", "fractal:classes=5,per-class=4,test-per-class=2,size=16",
      "--out"};
  const auto with = [&](const std::string& path) {
    std::vector<std::string> all = start;
    all.push_back(path);
    return all;
  };
  expect(with(directory_ / "file/run"), kCannotWrite, "file");
  expect(with(directory_ / "file"), kCannotWrite, "not a run directory");
  expect(with("/proc/nagare-run"), kCannotWrite, "/proc");
  std::filesystem::create_directories(directory_ / "full");
  write_all(directory_ / "full/thesis.tex", "precious");
  expect(with(directory_ / "full"), kCannotWrite, "not a run directory");
  EXPECT_EQ(read_all(directory_ / "full/thesis.tex"), "precious");
}

TEST_F(BadInputTest, CheckpointsThatAreNone) {
  expect({"embed", directory_ / "nowhere", "--device", "cpu", "--out", directory_ / "features"}, kCheckpoint,
         "nowhere");
  expect({"eval", directory_ / "nowhere", "--device", "cpu"}, kCheckpoint, "nowhere");
  std::filesystem::create_directories(directory_ / "empty");
  expect({"eval", directory_ / "empty", "--device", "cpu"}, kCheckpoint, "neither a run nor a checkpoint");
  expect({"train", "--resume", "--out", directory_ / "empty"}, kCheckpoint, "no run to resume");
  for (const std::string command : {"eval", "embed", "checkpoint"}) {
    const Outcome none =
        command == "embed" ? run_nagare({command, "--out", directory_ / "features"}) : run_nagare({command});
    EXPECT_EQ(none.exit_code, 2);
    EXPECT_EQ(none.err, "error: " + command + ": the run or checkpoint is missing\n  see nagare " + command +
                            " --help\n");
  }
}

TEST_F(BadInputTest, DevicesThatAreNone) {
  expect({"train", "--device", "gpu", "--out", out()}, kConfig, "--device gpu");
  expect({"info", "--device", "cuda:99"}, kDevice, "cuda:99");
}

TEST(SetupTest, WhatCannotBeJudgedOrPlannedIsRefusedBeforeARunBegins) {
  const TemporaryDirectory directory;
  const std::string out = directory / "run";
  const Outcome hidden = run_nagare(tiny_run(out, {"--method", "supervised", "--eval.readouts", "bag:knn",
                                                   "--eval.bag", "grid", "--eval.bag-feature", "hidden"}));
  EXPECT_EQ(hidden.exit_code, 3);
  EXPECT_THAT(hidden.err, HasSubstr("no projector with a hidden layer"));
  const Outcome joint = run_nagare(tiny_run(out, {"--strategy", "joint", "--schedule.restart", "task"}));
  EXPECT_EQ(joint.exit_code, 3);
  EXPECT_THAT(joint.err, HasSubstr("as with strategy joint: need never"));
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace nagare::test
