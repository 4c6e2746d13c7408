// nagare doctor on this machine, and on it broken in one way after the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "kernels/dispatch.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr int kConfig = 3;
constexpr int kData = 4;
constexpr int kCannotWrite = 6;
constexpr int kDevice = 7;
constexpr int kMemory = 8;

json check_of(const Outcome& outcome, const std::string& name) {
  const json document = json::parse(outcome.out);
  for (const json& check : document["checks"]) {
    if (check["name"] == name) return check;
  }
  return {};
}

class DoctorTest : public testing::Test {
 protected:
  Outcome doctor(std::vector<std::string> more = {}, const Launch& launch = {}) const {
    std::vector<std::string> arguments = {"doctor", "--json", "--out", directory_ / "run"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_nagare(arguments, launch);
  }

  TemporaryDirectory directory_;
};

TEST_F(DoctorTest, FindsNoProblemHere) {
  const Outcome outcome = doctor();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const json document = json::parse(outcome.out);
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["healthy"], true);
  EXPECT_EQ(document["checks"].size(), 12U);
  for (const json& check : document["checks"]) {
    EXPECT_NE(check["verdict"], "problem") << check;
    EXPECT_EQ(check["verdict"] == "ok", check["advice"] == "") << check;
    EXPECT_NE(check["found"], "") << check;
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << "nothing is left behind";
}

TEST_F(DoctorTest, PrintsATableWithItsAdviceBelow) {
  const Outcome outcome =
      run_nagare({"doctor", "--out", directory_ / "run"}, {.environment = {{"LC_ALL", "xx_XX.UTF-8"}}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("check"), HasSubstr("\nlocale"), HasSubstr("\nwarning, locale: ")));
}

TEST_F(DoctorTest, AFileInThePlaceOfTheDirectory) {
  directory_.write("run", "a file");
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, kCannotWrite);
  const json check = check_of(outcome, "output");
  EXPECT_EQ(check["verdict"], "problem");
  EXPECT_THAT(check["found"].get<std::string>(),
              AllOf(HasSubstr(directory_ / "run"), HasSubstr("Not a directory")));
}

TEST_F(DoctorTest, ALinkThatLeadsNowhere) {
  std::filesystem::create_symlink("/nowhere/at/all", directory_.path() / "run");
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, kCannotWrite);
  EXPECT_EQ(check_of(outcome, "output")["found"],
            directory_ / "run" + ": a link to something that is not there");
}

TEST_F(DoctorTest, PathsAreShownWithoutADotAtTheirEnd) {
  for (const char* end : {"", "/", "/.", "/./", "//./."}) {
    const Outcome outcome = run_nagare({"doctor", "--json", "--out", directory_.path().string() + end});
    EXPECT_THAT(check_of(outcome, "output")["found"].get<std::string>(),
                testing::StartsWith(directory_.path().string() + ": "))
        << end;
  }
  const Outcome here = run_nagare({"doctor", "--json"}, {.directory = directory_.path()});
  EXPECT_THAT(check_of(here, "output")["found"].get<std::string>(),
              testing::StartsWith(directory_.path().string() + ": "));
  const Outcome root = run_nagare({"doctor", "--json", "--out", "//."});
  EXPECT_THAT(check_of(root, "output")["found"].get<std::string>(),
              testing::StartsWith("/ is there already"));
}

TEST_F(DoctorTest, ADirectoryThatHoldsSomething) {
  directory_.write("run/notes", "mine");
  const Outcome other = doctor();
  EXPECT_EQ(other.exit_code, kCannotWrite);
  EXPECT_EQ(check_of(other, "output")["found"],
            directory_ / "run" + " is there already and is no run directory");
  const std::string run = directory_ / "trained";
  ASSERT_EQ(run_nagare(tiny_run(run, {"--max-steps", "1"})).exit_code, 0);
  const json check = check_of(run_nagare({"doctor", "--json", "--out", run}), "output");
  EXPECT_EQ(check["verdict"], "warning");
  EXPECT_THAT(check["found"].get<std::string>(), HasSubstr("holds a run already"));
  EXPECT_THAT(check["advice"].get<std::string>(), HasSubstr("--resume"));
}

TEST_F(DoctorTest, ADirectoryThatCannotBeWritten) {
  const Outcome outcome = doctor({"--out", "/proc/nagare"});
  EXPECT_EQ(outcome.exit_code, 2) << "--out is given twice";
  const Outcome read_only = run_nagare({"doctor", "--json", "--out", "/proc/nagare"});
  EXPECT_EQ(read_only.exit_code, kCannotWrite);
  EXPECT_EQ(check_of(read_only, "output")["found"], "/proc: a file system that takes no new files");
  EXPECT_EQ(check_of(read_only, "output")["advice"], "choose another --out");
  const Outcome train = run_nagare({"train", "--out", "/proc/nagare"});
  EXPECT_EQ(train.exit_code, kCannotWrite);
  EXPECT_EQ(train.err, "error: --out /proc/nagare: /proc: a file system that takes no new files\n");
}

TEST_F(DoctorTest, AdviceOnOutputIsOfItsCause) {
  const auto advice = [](const std::string& out) {
    return check_of(run_nagare({"doctor", "--json", "--out", out}), "output")["advice"].get<std::string>();
  };
  directory_.write("file", "");
  EXPECT_THAT(advice(directory_ / "file/run"), HasSubstr("a file stands where a directory is needed"));
  EXPECT_THAT(advice(directory_ / std::string(300, 'x')), HasSubstr("choose a shorter --out"));
  EXPECT_THAT(advice("/sys/nagare"), HasSubstr("choose another --out"));
}

TEST_F(DoctorTest, DataThatIsWrittenWrongly) {
  const auto refused = [&](const std::string& data, const std::string& found, const std::string& advice) {
    const Outcome outcome = doctor({"--data", data});
    EXPECT_EQ(outcome.exit_code, kConfig) << data;
    const json check = check_of(outcome, "data");
    EXPECT_THAT(check["found"].get<std::string>(), HasSubstr(found));
    EXPECT_THAT(check["advice"].get<std::string>(), HasSubstr(advice));
    const Outcome train = run_nagare({"train", "--data", data, "--out", directory_ / "run"});
    EXPECT_EQ(train.exit_code, kConfig);
    EXPECT_THAT(train.err, HasSubstr(check["found"].get<std::string>())) << "the words of train";
  };
  refused("cifar", "nearest is \"cifar10\"",
          "write it as cifar10:DIR[,per-class=N][,test=N]; nagare list data");
  refused("fractal:classes=2,per-class=2,size=8;foldr:x", "nearest is \"folder\"", "write it as folder:DIR");
  refused("perlin:clases=3", "nearest is \"classes\"", "write it as perlin[:classes=C]");
  refused("perlin:classes=x", "needs a whole number", "nagare list data says what every key is");
}

TEST_F(DoctorTest, DataThatIsNotThere) {
  const Outcome outcome = doctor({"--data", "cifar10:" + (directory_ / "nothing")});
  EXPECT_EQ(outcome.exit_code, kData);
  EXPECT_THAT(check_of(outcome, "data")["found"].get<std::string>(), HasSubstr("nothing"));
  EXPECT_THAT(check_of(outcome, "data")["advice"].get<std::string>(),
              HasSubstr("a relative one begins at " + std::filesystem::current_path().string()));
}

TEST_F(DoctorTest, AGpuThatIsNotThere) {
  if (run_nagare({"info", "--device", "cuda"}).exit_code == 0) GTEST_SKIP() << "there is a GPU";
  const Outcome outcome = doctor({"--device", "cuda"});
  EXPECT_EQ(outcome.exit_code, kDevice);
  EXPECT_THAT(check_of(outcome, "GPU")["found"].get<std::string>(), HasSubstr("--device cuda: "));
  EXPECT_THAT(
      check_of(outcome, "GPU")["advice"].get<std::string>(),
      AllOf(HasSubstr(kBuiltWithCuda ? "nvidia-smi" : "build the program with CUDA: cmake --preset cuda"),
            HasSubstr("leave --device out")));
}

TEST_F(DoctorTest, AnUnknownLocale) {
  const Outcome outcome = doctor({}, {.environment = {{"LC_ALL", "xx_XX.UTF-8"}}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(check_of(outcome, "locale")["found"].get<std::string>(),
              HasSubstr("LC_ALL=xx_XX.UTF-8 is not installed"));
}

TEST_F(DoctorTest, MoreThreadsThanCoresAndALimitOnThem) {
  EXPECT_THAT(check_of(doctor({"--threads", "999"}), "threads")["advice"].get<std::string>(),
              HasSubstr("--threads "));
  const Outcome limited = doctor({}, {.environment = {{"OMP_THREAD_LIMIT", "1"}}});
  EXPECT_EQ(check_of(limited, "threads")["verdict"], "warning");
}

TEST_F(DoctorTest, FewFilesMayBeOpen) {
  const Limited files(RLIMIT_NOFILE, 20);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, kCannotWrite) << outcome.err;
  EXPECT_EQ(check_of(outcome, "limits")["advice"], "ulimit -n 1024");
}

TEST_F(DoctorTest, FilesMayNotBeLarge) {
  const Limited bytes(RLIMIT_FSIZE, 1 << 20);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(check_of(outcome, "limits")["found"].get<std::string>(), HasSubstr("files of 1 MiB"));
  EXPECT_EQ(check_of(outcome, "limits")["verdict"], "warning");
}

TEST_F(DoctorTest, NotEvenAFileOfOneBlock) {
  if (kThreadSanitizer) GTEST_SKIP() << "ThreadSanitizer maps a larger file";
  const Limited bytes(RLIMIT_FSIZE, 100);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, kCannotWrite);
  EXPECT_THAT(check_of(outcome, "output")["found"].get<std::string>(), HasSubstr("File too large"));
}

TEST_F(DoctorTest, LittleMemory) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes terabytes of addresses";
  const Limited addresses(RLIMIT_AS, rlim_t{250} << 20);
  const Outcome outcome = doctor();
  EXPECT_EQ(outcome.exit_code, kMemory) << outcome.out << outcome.err;
  EXPECT_THAT(check_of(outcome, "memory")["found"].get<std::string>(), HasSubstr("set by ulimit -v"));
  EXPECT_THAT(check_of(outcome, "memory")["advice"].get<std::string>(), HasSubstr("--stream-batch"));
}

}  // namespace
}  // namespace nagare::test
