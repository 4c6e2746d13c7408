// What a crash leaves behind: fatal signals in the main thread and in a worker, a stack that is used up, exceptions
// that nobody catches, and a whole training run that is hit.
#include "apps/crash.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "build_config.h"
#include "engine/device/errors.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::Not;

constexpr int kInternal = 1;
constexpr int kData = 4;
constexpr int kMemory = 8;

class CrashTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer handles signals";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  // In the child of a death test.
  void begin() const {
    apps::crash::install();
    apps::crash::set_run({.directory = directory_.string(),
                          .configuration = directory_ / "config.resolved.toml",
                          .method = "simsiam",
                          .strategy = "er"});
    apps::crash::set_step(41);
    for (int i = 0; i < 40; ++i) apps::crash::add_line("line " + std::to_string(i) + " of the log\n");
    apps::crash::set_step(42);
  }

  TemporaryDirectory directory_;
};

// The child of such a death test has a directory of its own, gone with it: stderr has the same text as crash.txt.
struct FatalSignal : CrashTest, testing::WithParamInterface<int> {};

TEST_P(FatalSignal, InTheMainThreadIsReported) {
  EXPECT_EXIT(
      (begin(), raise(GetParam())), ExitedWithCode(kInternal),
      AllOf(HasSubstr(std::string("nagare ") + kVersion + " crashed: SIG"), HasSubstr(", in the main thread"),
            ContainsRegex("build id: [0-9a-f]{16,}"), HasSubstr("run: simsiam + er after step 42"),
            HasSubstr("config.resolved.toml"), HasSubstr("stack"), HasSubstr("nagare-test-apps("),
            HasSubstr("line 39 of the log"), HasSubstr("line 8 of the log"),
            Not(HasSubstr("line 7 of the log")), HasSubstr("crash.txt")));
}

TEST_P(FatalSignal, InAWorkerThreadIsReported) {
  const auto crash = [&] {
    begin();
    std::thread([] { raise(GetParam()); }).join();
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kInternal),
              AllOf(HasSubstr("crashed: SIG"), ContainsRegex("in worker thread [0-9]+"),
                    HasSubstr("after step 42"), HasSubstr("line 39 of the log")));
}

INSTANTIATE_TEST_SUITE_P(All, FatalSignal, testing::Values(SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS));

TEST_F(CrashTest, AWildReadTellsItsAddress) {
  const auto crash = [&] {
    begin();
    void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = 0;
    static_cast<void>(*static_cast<volatile char*>(page));
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kInternal),
              ContainsRegex("crashed: SIGSEGV at address 0x[0-9a-f]+000,"));
}

// Deeper than any stack; `limit` keeps the compiler from seeing that.
int dig(int depth, int limit) {  // NOLINT(misc-no-recursion)
  volatile char ground[4096];
  ground[0] = static_cast<char>(depth);
  return depth == limit ? 0 : dig(depth + 1, limit) + ground[0];
}

TEST_F(CrashTest, AnEndlessRecursionIsReported) {
  EXPECT_EXIT((begin(), errno = 0, dig(0, 1 << 30)), ExitedWithCode(kInternal),
              HasSubstr("crashed: SIGSEGV"));
}

TEST_F(CrashTest, AFaultAfterAFailedAllocationIsOutOfMemory) {
  const auto crash = [&] {
    begin();
    void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = ENOMEM;
    static_cast<void>(*static_cast<volatile char*>(page));
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kMemory), HasSubstr("error: out of memory"));
}

TEST_F(CrashTest, AMappedFileThatIsCutIsADataError) {
  const auto crash = [&] {
    begin();
    const std::string path = directory_.write("cut", std::string(8192, 'x')).string();
    const int file = ::open(path.c_str(), O_RDWR);
    void* const pages = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE, file, 0);
    if (ftruncate(file, 0) != 0) return;
    static_cast<void>(static_cast<volatile char*>(pages)[5000]);
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kData), HasSubstr("error: a data file became shorter"));
}

TEST_F(CrashTest, AnExceptionOutOfAThreadEndsWithItsCode) {
  const auto crash = [&] {
    begin();
    std::thread([] { throw OutOfMemory("no room for 5 bytes"); }).join();
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kMemory), HasSubstr("error: no room for 5 bytes"));
}

TEST_F(CrashTest, AnExceptionOfOursOutOfAThreadIsACrash) {
  const auto crash = [&] {
    begin();
    std::thread([] { throw std::logic_error("two and two"); }).join();
  };
  EXPECT_EXIT(crash(), ExitedWithCode(kInternal),
              AllOf(HasSubstr("crashed: internal fault: two and two"), HasSubstr("in worker thread")));
}

// A thread of the process other than its first; 0: there is none.
pid_t worker_of(pid_t process) {
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
    const pid_t thread = std::stoi(entry.path().filename().string());
    if (thread != process) return thread;
  }
  return 0;
}

class CrashedRun : public CrashTest, public testing::WithParamInterface<bool> {};

TEST_P(CrashedRun, LeavesItsReportAndItsState) {
  const bool in_worker = GetParam();
  const std::string run = directory_ / "run";
  bool sent = false;
  const auto hit = [&](pid_t child, const std::string& said) {
    if (sent || said.find("step=1/") == std::string::npos) return;
    const pid_t thread = in_worker ? worker_of(child) : child;
    if (thread != 0) sent = syscall(SYS_tgkill, child, thread, SIGSEGV) == 0;
  };
  std::vector<std::string> arguments = tiny_run(run, {"--epochs", "1000", "--gallery", "0"});
  *(std::ranges::find(arguments, "--threads") + 1) = "2";
  const Outcome outcome = run_nagare(arguments, {.meanwhile = hit});
  ASSERT_TRUE(sent) << outcome.err;
  EXPECT_EQ(outcome.exit_code, kInternal) << outcome.err;
  const std::string report = read_all(run + "/crash.txt");
  EXPECT_THAT(report, AllOf(HasSubstr("crashed: SIGSEGV sent by process " + std::to_string(getpid())),
                            HasSubstr(in_worker ? "in worker thread" : "in the main thread"),
                            ContainsRegex("run: simsiam [+] finetune after step [0-9]+"),
                            HasSubstr("configuration: " + run + "/config.resolved.toml"),
                            HasSubstr("run directory: " + run), HasSubstr("libc")));
  EXPECT_THAT(outcome.err, HasSubstr(report));
  const auto status = nlohmann::json::parse(read_all(run + "/STATUS.json"));
  EXPECT_EQ(status["state"], "failed");
  EXPECT_EQ(status["exit_code"], kInternal);
  EXPECT_GE(status["step"], 1);
}

INSTANTIATE_TEST_SUITE_P(Threads, CrashedRun, testing::Bool());

}  // namespace
}  // namespace nagare::test
