// Faults that the system can be made to have: a directory that takes no files, or goes away; a disk, a file or the memory
// that comes to an end. What fails call by call is in tests/faults/.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "apps/memory_plan.h"
#include "engine/device/errors.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kCannotWrite = 6;
constexpr int kMemory = 8;

std::vector<std::string> saving_run(const std::string& out) {
  return tiny_run(out, {"--checkpoint-every", "1", "--gallery", "0"});
}

class FaultsTest : public testing::Test {
 protected:
  std::string run() const { return directory_ / "run"; }

  // Whatever went wrong, the run goes on from what it left and ends well.
  void expect_it_goes_on() const {
    std::vector<std::string> again = saving_run(run());
    again.emplace_back("--resume");
    const Outcome outcome = run_nagare(again);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(read_all(run() + "/STATUS.json"))["state"], "finished");
  }

  TemporaryDirectory directory_;
};

// Data that is not there shows that the output was looked at first.
void expect_refused_before_data_is_read(const std::string& out, const std::string& reason) {
  const Outcome outcome = run_nagare({"train", "--data", "cifar10:/nowhere", "--out", out});
  EXPECT_EQ(outcome.exit_code, kCannotWrite) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(StartsWith("error: "), HasSubstr(reason)));
}

TEST_F(FaultsTest, OutputThatCannotBeMadeIsRefusedAtOnce) {
  directory_.write("file", "");
  expect_refused_before_data_is_read(directory_ / "file", "is there already");
  expect_refused_before_data_is_read(directory_ / "file/run", "Not a directory");
  std::filesystem::create_symlink("/nowhere/at/all", directory_.path() / "link");
  expect_refused_before_data_is_read(directory_ / "link", "a link to something that is not there");
  expect_refused_before_data_is_read("/proc/run", "takes no new files");
  if (kThreadSanitizer) return;  // it maps a larger file
  const Limited bytes(RLIMIT_FSIZE, 100);
  expect_refused_before_data_is_read(run(), "File too large");
}

TEST_F(FaultsTest, AFullDiskEndsTheRunAndItGoesOnWithMoreRoom) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const std::filesystem::path disk = directory_.path() / "disk";
  std::filesystem::create_directory(disk);
  // A checkpoint takes 50 MiB: there is room for one and a part.
  if (mount("nagare-test", disk.c_str(), "tmpfs", 0, "size=100m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted";
  const std::string out = (disk / "run").string();
  const Outcome full = run_nagare(saving_run(out));
  EXPECT_EQ(full.exit_code, kCannotWrite) << full.err;
  EXPECT_THAT(full.err, HasSubstr("error: "));
  EXPECT_EQ(run_nagare({"checkpoint", "verify", out}).exit_code, 0) << "the one that had room is good";
  EXPECT_EQ(mount("nagare-test", disk.c_str(), "tmpfs", MS_REMOUNT, "size=400m"), 0);
  std::vector<std::string> again = saving_run(out);
  again.emplace_back("--resume");
  const Outcome outcome = run_nagare(again);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(umount(disk.c_str()), 0);
}

TEST_F(FaultsTest, AReadOnlyFileSystemIsRefusedAtOnce) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const std::filesystem::path disk = directory_.path() / "disk";
  std::filesystem::create_directory(disk);
  if (mount("nagare-test", disk.c_str(), "tmpfs", MS_RDONLY, "size=2m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted";
  expect_refused_before_data_is_read((disk / "run").string(), "Read-only file system");
  EXPECT_EQ(umount(disk.c_str()), 0);
}

TEST_F(FaultsTest, ALimitOnFilesEndsTheRunAndItGoesOnWithoutIt) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer maps a larger file";
  {
    const Limited bytes(RLIMIT_FSIZE, 200 << 10);
    const Outcome outcome = run_nagare(saving_run(run()));
    EXPECT_EQ(outcome.exit_code, kCannotWrite) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: "), HasSubstr("File too large")));
  }
  expect_it_goes_on();
}

TEST_F(FaultsTest, ADirectoryThatVanishesEndsTheRunAndItGoesOnWhenItIsBack) {
  bool gone = false;
  const auto take_away = [&](pid_t, const std::string& said) {
    if (gone || said.find("step=1/") == std::string::npos) return;
    std::filesystem::rename(run(), directory_ / "elsewhere");
    gone = true;
  };
  const Outcome outcome = run_nagare(saving_run(run()), {.meanwhile = take_away});
  ASSERT_TRUE(gone);
  EXPECT_EQ(outcome.exit_code, kCannotWrite) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("No such file or directory"));
  std::filesystem::remove_all(run());
  std::filesystem::rename(directory_ / "elsewhere", run());
  expect_it_goes_on();
}

TEST_F(FaultsTest, LittleMemoryIsToldWithWhatLowersTheNeed) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes terabytes of addresses";
  {
    const Limited addresses(RLIMIT_AS, rlim_t{520} << 20);
    const Outcome outcome = run_nagare(tiny_run(run(), {"--buffer", "9000000", "--strategy", "er"}));
    EXPECT_EQ(outcome.exit_code, kMemory) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: out of memory"), HasSubstr("--")));
  }
  EXPECT_FALSE(std::filesystem::exists(run() + "/checkpoints/step-000000001"));
}

TEST_F(FaultsTest, APlanOfTheMemoryIsComparedWithWhatMayBeTaken) {
  const apps::MemoryPlan plan{.data = 1 << 20, .state = 5 << 20, .checkpoint = 5 << 20};
  const apps::MemoryLimit enough{.bytes = 5 << 20, .source = "ulimit -v"};
  EXPECT_THAT(apps::describe(plan, enough), AllOf(HasSubstr("images 1.0 MiB"), HasSubstr("state 5.0 MiB")));
  EXPECT_NO_THROW(apps::check_memory(plan, enough));
  const apps::MemoryLimit less{.bytes = (5 << 20) - 1, .source = "ulimit -v"};
  EXPECT_THAT([&] { apps::check_memory(plan, less); },
              testing::ThrowsMessage<OutOfMemory>(
                  AllOf(HasSubstr("5.0 MiB"), HasSubstr("set by ulimit -v"), HasSubstr("--buffer"))));
}

}  // namespace
}  // namespace nagare::test
