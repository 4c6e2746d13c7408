// nagare-fault-sweep: lets one call after the other fail in a short training run and looks at what comes of it.
//
// Every trial is a run of `nagare train` with the library of interpose.cpp: from nothing, or going on after a SIGKILL.
// It must end with a code that its fault allows; a failed one with one line that names the reason. Whatever was left
// behind, the same command once more (with --resume when there is a run) must end with the bytes of the run that met
// no fault. Where the power is cut, what was not synced is lost on top (power_cut.h).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "tests/apps/nagare_process.h"
#include "tests/faults/plan.h"
#include "tests/faults/power_cut.h"
#include "tests/faults/run_bytes.h"

namespace nagare::faults {
namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] =
    "nagare-fault-sweep [--points N] [--share I/N] [--kind KIND] [--from start|half] [--at K] [--list] "
    "[--keep]\n"
    "  --points N    at most N calls of each kind and beginning, evenly spread; default: every call\n"
    "  --share I/N   of those the I-th of N parts, from 1 on: several processes at once\n"
    "  --kind KIND   faults of that kind alone; --list names them\n"
    "  --from        trials that begin with nothing (start), or resume a run that was killed (half); "
    "default: both\n"
    "  --at K        the K-th call alone\n"
    "  --keep        leave the directories of failed trials\n";

struct Kind {
  std::string name;
  std::uint32_t families;
  std::int32_t error;
  bool from_then_on;
  std::vector<int> codes;  // that it may end with; 0 only with the right bytes
  const char* says;        // in the error message
  std::optional<Unsynced> power_cut = {};
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"disk-full", kWriting, ENOSPC, true, {0, 6}, "No space left on device"},
      {"interrupted", kReading | kWriting, EINTR, false, {0}, ""},
      {"killed", kWriting, kKill, false, {128 + SIGKILL}, ""},
      {"no-memory", kMemory, ENOMEM, false, {0, 8}, "memory"},
      {"no-thread", kThreads, EAGAIN, true, {0, 8}, "thread"},
      {"power-cut", kWriting, kKill, false, {0, 128 + SIGKILL}, "", Unsynced::lost},
      {"power-cut-mixed", kWriting, kKill, false, {0, 128 + SIGKILL}, "", Unsynced::mixed},
      {"power-cut-names", kWriting, kKill, false, {0, 128 + SIGKILL}, "", Unsynced::names_only},
      {"read-error", kReading, EIO, false, {0, 4, 5, 6}, "Input/output error"},
      {"short", kReading | kWriting, kShort, false, {0}, ""},
      {"write-error", kWriting, EIO, false, {0, 6}, "Input/output error"},
  };
  return all;
}

constexpr std::uint64_t kMinBytes = 4096;  // of an allocation that is counted

struct Arguments {
  std::uint64_t points = 0;
  std::uint64_t share = 1;
  std::uint64_t shares = 1;
  std::uint64_t at = 0;
  std::string kind;
  std::string from;
  bool keep = false;
};

// The page of plan.h, in a file of the working directory.
class SharedPlan {
 public:
  explicit SharedPlan(const fs::path& path) : path_(path) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof(Plan)) != 0) throw std::runtime_error(path.string());
    page_ = mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page_ == MAP_FAILED) throw std::runtime_error(path.string());
  }
  ~SharedPlan() { munmap(page_, sizeof(Plan)); }
  SharedPlan(const SharedPlan&) = delete;
  SharedPlan& operator=(const SharedPlan&) = delete;

  // kept   where the library keeps what survives a power cut; "": nowhere
  void begin(const Kind& kind, std::uint64_t at, const std::string& kept) {
    plan_ = new (page_) Plan;
    kept.copy(plan_->kept, sizeof plan_->kept - 1);
    plan_->families = kind.families;
    plan_->error = kind.error;
    plan_->from_then_on = kind.from_then_on ? 1 : 0;
    plan_->min_bytes = kMinBytes;
    plan_->at = at;
  }
  const Plan& current() const { return *plan_; }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
  void* page_;
  Plan* plan_ = nullptr;
};

std::string interposed_library() {
  return (fs::read_symlink("/proc/self/exe").parent_path() / "libnagare-faults.so").string();
}

// Narrow, so that a trial does not write megabytes.
std::vector<std::string> command(const fs::path& run, bool resume) {
  std::vector<std::string> more = {
      "--strategy", "er", "--buffer",           "8",  "--max-steps",     "3",  "--checkpoint-every", "1",
      "--gallery",  "4",  "--eval.test-images", "10", "--method.hidden", "32", "--method.dim",       "16"};
  if (resume) more.emplace_back("--resume");
  return test::tiny_run(run.string(), more);
}

bool holds_run(const fs::path& run) { return fs::exists(run / "config.resolved.toml"); }

// The one line that a failure owes to the user.
std::string complaint(const std::string& said, const Kind& kind) {
  std::vector<std::string> errors;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("terminate called") != std::string::npos) return "it says \"" + line + "\"";
    if (line.starts_with("error: ")) errors.push_back(line);
  }
  if (errors.size() != 1) return fmt::format("{} error lines in: {}", errors.size(), said);
  if (errors[0].find(kind.says) == std::string::npos)
    return "no \"" + std::string(kind.says) + "\" in \"" + errors[0] + "\"";
  return "";
}

// The checkpoints that bear their names, by step.
std::vector<std::string> checkpoints_in(const fs::path& run) {
  std::vector<std::string> names;
  if (!fs::exists(run / "checkpoints")) return names;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

// Whether one is being written.
bool begun_checkpoint(const fs::path& run) {
  if (!fs::exists(run / "checkpoints")) return false;
  return std::ranges::any_of(fs::directory_iterator(run / "checkpoints"), [](const auto& entry) {
    return entry.path().filename().string().starts_with(".tmp-step-");
  });
}

using Files = std::map<std::string, std::string>;

// Without old checkpoints of which the run said that it could not remove them: its last one has none after it that would.
Files without_leftovers(Files files, const std::string& said, const Files& expected) {
  constexpr std::string_view kWarning = "not removed: ";
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find(kWarning);
    if (at == std::string::npos) continue;
    const std::size_t from = line.find("/checkpoints", at) + 1;
    const std::string path = line.substr(from, line.find(": ", from) - from);
    std::erase_if(files, [&](const auto& file) {
      return file.first.starts_with(path + "/") && !expected.contains(file.first);
    });
  }
  return files;
}

class Sweep {
 public:
  explicit Sweep(const Arguments& arguments)
      : arguments_(arguments),
        work_(make_directory()),
        disk_(work_ / "disk"),
        run_(disk_ / "run"),
        plan_(work_ / "plan"),
        environment_{{"OMP_NUM_THREADS", "1"}, {"OMP_WAIT_POLICY", "passive"}} {}
  ~Sweep() {
    std::error_code ignored;
    if (failures_ == 0 || !arguments_.keep) fs::remove_all(work_, ignored);
  }
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

  int run() {
    const test::Outcome whole =
        test::run_nagare(command(work_ / "whole", false), {.environment = environment_});
    if (whole.exit_code != 0) throw std::runtime_error("the run without faults failed: " + whole.err);
    expected_ = run_bytes(work_ / "whole");
    make_half();
    for (const Kind& kind : kinds()) {
      if (!arguments_.kind.empty() && arguments_.kind != kind.name) continue;
      for (const bool half : {false, true}) {
        if (!arguments_.from.empty() && (arguments_.from == "half") != half) continue;
        sweep(kind, half);
      }
    }
    fmt::print("R8 R14 {} points tried, {} failed; target 0\n", tried_, failures_);
    return failures_ == 0 && tried_ > 0 ? 0 : 1;
  }

 private:
  static fs::path make_directory() {
    std::string name = (fs::temp_directory_path() / "nagare-faults-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(name);
    return name;
  }

  test::Outcome launch(const Kind& kind, std::uint64_t at, const fs::path& run) {
    const bool power_cut = kind.power_cut.has_value() && at > 0;
    std::optional<Settled> settled;
    if (power_cut) settled.emplace(disk_, work_ / "kept");
    plan_.begin(kind, at, power_cut ? (work_ / "kept").string() : "");
    std::map<std::string, std::string> environment = environment_;
    environment["LD_PRELOAD"] = interposed_library();
    environment[kPlanVariable] = plan_.path();
    test::Outcome outcome = test::run_nagare(command(run, holds_run(run)), {.environment = environment});
    if (power_cut) lose_unsynced(*kind.power_cut, at);
    return outcome;
  }

  void lose_unsynced(Unsynced unsynced, std::uint64_t seed) {
    written_ = checkpoints_in(run_);
    if (!written_.empty() && !begun_checkpoint(run_)) written_.pop_back();  // its save may not have returned
    cut_power(disk_, work_ / "kept", unsynced, seed, work_ / "after");
    fs::remove_all(disk_);
    fs::rename(work_ / "after", disk_);
  }

  // A checkpoint is safe when the next one begins to be written.
  bool keeps_safe_checkpoints() const {
    if (written_.empty()) return true;
    const std::vector<std::string> left = checkpoints_in(run_);
    return !left.empty() && left.back() >= written_.back();
  }

  const Plan& plan() const { return plan_.current(); }

  void make_half() {
    const Kind kill = *std::ranges::find(kinds(), "killed", &Kind::name);
    launch(kill, 0, work_ / "half");
    const std::uint64_t calls = plan().calls;
    fs::remove_all(work_ / "half");
    launch(kill, calls * 2 / 3, work_ / "half");
    if (!holds_run(work_ / "half")) throw std::runtime_error("the killed run left no run directory");
  }

  fs::path fresh(bool half) {
    fs::remove_all(disk_);
    fs::create_directory(disk_);
    if (half) fs::copy(work_ / "half", run_, fs::copy_options::recursive);
    return run_;
  }

  void sweep(const Kind& kind, bool half) {
    launch(kind, 0, fresh(half));
    const std::uint64_t calls = plan().calls;
    const std::uint64_t points = arguments_.points == 0 ? calls : std::min(arguments_.points, calls);
    std::map<int, int> codes;
    std::uint64_t tried = 0;
    for (std::uint64_t i = 0; i < points; ++i) {
      const std::uint64_t at = 1 + i * calls / points;
      if (i % arguments_.shares + 1 != arguments_.share || (arguments_.at != 0 && arguments_.at != at))
        continue;
      ++tried;
      const test::Outcome outcome = launch(kind, at, fresh(half));
      ++codes[outcome.exit_code];
      const std::string wrong = judge(kind, outcome);
      if (!wrong.empty()) report(kind, half, at, wrong);
    }
    if (kind.power_cut && arguments_.share == 1 && (arguments_.at == 0 || arguments_.at == calls + 1)) {
      ++tried;  // after the end: nothing of the run may be lost
      const test::Outcome outcome = launch(kind, calls + 1, fresh(half));
      ++codes[outcome.exit_code];
      const std::string wrong = outcome.exit_code != 0 ? outcome.err : judge(kind, outcome);
      if (!wrong.empty()) report(kind, half, calls + 1, wrong);
    }
    tried_ += tried;
    std::string ends;
    for (const auto& [code, count] : codes) ends += fmt::format(" {} x exit {}", count, code);
    fmt::print("{:12} {:6} {:4} of {:4} calls:{}\n", kind.name, half ? "half" : "start", tried, calls, ends);
    std::fflush(stdout);
  }

  // "" or what is wrong with the end of that trial and with what it left behind.
  std::string judge(const Kind& kind, const test::Outcome& outcome) {
    if (std::ranges::find(kind.codes, outcome.exit_code) == kind.codes.end())
      return fmt::format("exit {}: {}", outcome.exit_code, outcome.err);
    if (outcome.exit_code != 0 && kind.error != kKill) {
      const std::string wrong = complaint(outcome.err, kind);
      if (!wrong.empty()) return fmt::format("exit {}: {}", outcome.exit_code, wrong);
    }
    if (kind.power_cut && !keeps_safe_checkpoints()) return "a checkpoint that was safe is gone";
    if (fs::exists(run_ / "STATUS.json") && !nlohmann::json::accept(test::read_all(run_ / "STATUS.json")))
      return "STATUS.json is no JSON";
    if (fs::exists(run_ / "checkpoints")) {
      const test::Outcome verified =
          test::run_nagare({"checkpoint", "verify", run_.string()}, {.environment = environment_});
      const bool none = verified.err.find("holds no checkpoint") != std::string::npos;
      if (verified.exit_code != 0 && !none) return "a damaged checkpoint: " + verified.out + verified.err;
    }
    if (outcome.exit_code != 0) {
      const test::Outcome again =
          test::run_nagare(command(run_, holds_run(run_)), {.environment = environment_});
      if (again.exit_code != 0) return fmt::format("afterwards, exit {}: {}", again.exit_code, again.err);
      return difference(expected_, run_bytes(run_));
    }
    return difference(expected_, without_leftovers(run_bytes(run_), outcome.err, expected_));
  }

  void report(const Kind& kind, bool half, std::uint64_t at, const std::string& wrong) {
    ++failures_;
    fmt::print("FAILED --kind {} --from {} --at {} ({}): {}\n", kind.name, half ? "half" : "start", at,
               plan().call, wrong);
    if (!arguments_.keep) return;
    const fs::path kept = work_ / fmt::format("{}-{}-{}", kind.name, half ? "half" : "start", at);
    fs::rename(run_, kept);
    fmt::print("  kept in {}\n", kept.string());
  }

  Arguments arguments_;
  fs::path work_;
  fs::path disk_;  // what a power cut may take from
  fs::path run_;
  SharedPlan plan_;
  std::map<std::string, std::string> environment_;
  Files expected_;
  std::vector<std::string> written_;  // checkpoints when the power was cut
  std::uint64_t tried_ = 0;
  std::uint64_t failures_ = 0;
};

std::uint64_t number(const std::string& text, const std::string& flag) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0)
    throw std::invalid_argument(flag + " " + text + ": needs a number from 1 on");
  return value;
}

// false: there is nothing to run.
bool parse(std::span<char* const> given, Arguments& arguments) {
  for (std::size_t i = 1; i < given.size(); ++i) {
    const std::string flag = given[i];
    if (flag == "--help") {
      fmt::print("{}", kUsage);
      return false;
    }
    if (flag == "--list") {
      for (const Kind& kind : kinds()) fmt::print("{}\n", kind.name);
      return false;
    }
    if (flag == "--keep") {
      arguments.keep = true;
      continue;
    }
    if (i + 1 == given.size()) throw std::invalid_argument(flag + ": unknown, or its value is missing");
    const std::string value = given[++i];
    if (flag == "--points") {
      arguments.points = number(value, flag);
    } else if (flag == "--at") {
      arguments.at = number(value, flag);
    } else if (flag == "--share") {
      const std::size_t slash = value.find('/');
      if (slash == std::string::npos) throw std::invalid_argument("--share " + value + ": needs I/N");
      arguments.share = number(value.substr(0, slash), flag);
      arguments.shares = number(value.substr(slash + 1), flag);
    } else if (flag == "--kind" && std::ranges::find(kinds(), value, &Kind::name) != kinds().end()) {
      arguments.kind = value;
    } else if (flag == "--from" && (value == "start" || value == "half")) {
      arguments.from = value;
    } else {
      throw std::invalid_argument(flag + " " + value + ": unknown\n" + kUsage);
    }
  }
  return true;
}

}  // namespace
}  // namespace nagare::faults

int main(int argc, char** argv) {
  try {
    nagare::faults::Arguments arguments;
    if (!nagare::faults::parse({argv, static_cast<std::size_t>(argc)}, arguments)) return 0;
    return nagare::faults::Sweep(arguments).run();
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
