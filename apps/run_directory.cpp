#include "apps/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "apps/exit_code.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/io/directory.h"
#include "engine/io/probe.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr char kLockName[] = ".lock";
constexpr char kStatusName[] = "STATUS.json";
constexpr char kLogName[] = "log.jsonl";
constexpr char kMetricsName[] = "metrics.jsonl";
constexpr char kReportName[] = "crash.txt";

std::string shown(const io::Path& path) { return printable(path.string()); }

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// "process 1234 on HOST", as its holder wrote it.
std::string holder(int descriptor) {
  std::array<char, 128> text{};
  const ssize_t got = pread(descriptor, text.data(), text.size(), 0);
  std::string_view line(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  line = line.substr(0, line.find('\n'));
  return line.empty() ? "another process" : printable(line);
}

[[noreturn]] void refuse(const io::Path& directory, const std::string& who) {
  throw RunInUse(who + " works in " + shown(directory) + "\nwait for it, or choose another --out");
}

void refuse_if_held(const io::Path& directory) {
  const int descriptor = open((directory / kLockName).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return;  // whoever makes it will say what is wrong with it
  struct flock lock = whole_file();
  const bool held = fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  const std::string who = held ? holder(descriptor) : "";
  close(descriptor);
  if (held) refuse(directory, who);
}

// A lock of the open file, not of the process: the system drops it when the process ends, and no other descriptor of
// this process can drop it by being closed.
int lock_file(const io::Path& directory) {
  const io::Path path = directory / kLockName;
  int descriptor = -1;
  do descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) throw CannotWrite(shown(path) + ": " + std::strerror(errno));
  struct flock lock = whole_file();
  if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0) {
    std::array<char, 64> host{};
    gethostname(host.data(), host.size() - 1);
    const std::string line = "process " + std::to_string(getpid()) + " on " + host.data() + "\n";
    // For those who are refused; the lock itself needs no room on a full disk.
    if (ftruncate(descriptor, 0) == 0) {
      [[maybe_unused]] const auto written = pwrite(descriptor, line.data(), line.size(), 0);
    }
    return descriptor;
  }
  const int reason = errno;
  const std::string who = holder(descriptor);
  close(descriptor);
  if (reason == EAGAIN || reason == EACCES) refuse(directory, who);
  throw CannotWrite(shown(path) + ": cannot lock: " + std::strerror(reason));
}

// What a process can leave that ended before the run began: its configuration is the first file that counts. Where its lock lies,
// log, status and report say why it ended; elsewhere they may be somebody else's.
bool is_beginning(const io::Path& path) {
  const std::string name = path.filename().string();
  const auto is_of = [&](const char* file) {
    return name == file || name.starts_with(std::string(file) + ".tmp-");
  };
  std::error_code error;
  const bool ours = std::filesystem::exists(path.parent_path() / kLockName, error);
  const bool empty = std::filesystem::file_size(path, error) == 0 && !error;
  return name == kLockName || name.starts_with(io::kProbePrefix) ||
         name.starts_with(std::string(kConfigName) + ".tmp-") ||
         ((name == kLogName || name == kMetricsName) && empty) ||
         (ours && (name == kLogName || is_of(kStatusName) || is_of(kReportName)));
}

// "" when there is no such text.
std::string text_of(const nlohmann::json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_string()) return "";
  return json[key].get<std::string>();
}

// Images and seconds of the steps in these lines.
Trained trained_in(std::string_view text) {
  Trained trained;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto json = nlohmann::json::parse(text.substr(at, end - at), nullptr, /*allow_exceptions=*/false);
    at = end + 1;
    if (!json.is_object()) continue;
    const auto images = json.find("images");
    const auto seconds = json.find("seconds");
    constexpr std::uint64_t kMostInAStep = std::uint64_t{1} << 32;  // the sum stays a number
    if (images == json.end() || seconds == json.end() || !images->is_number_unsigned() ||
        !seconds->is_number())
      continue;
    trained.images += static_cast<std::int64_t>(std::min(images->get<std::uint64_t>(), kMostInAStep));
    trained.seconds += seconds->get<double>();
  }
  return trained;
}

// The lines that `keep` says yes to; a kill may have cut the last one.
std::string lines_that(std::string_view text, const std::function<bool(const nlohmann::json&)>& keep) {
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && keep(json)) kept.append(line).append("\n");
  }
  return kept;
}

// Has it no step, or one of these?
bool until(const nlohmann::json& line, std::int64_t step) {
  const auto found = line.find("step");
  return found == line.end() || (found->is_number_integer() && found->get<std::int64_t>() <= step);
}

}  // namespace

RunDirectory::Kind RunDirectory::inspect(const io::Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return Kind::absent;
  if (!std::filesystem::is_directory(status)) return Kind::other;
  if (std::filesystem::exists(path / kConfigName, error)) return Kind::run;
  const bool begun_at_most = std::ranges::all_of(io::list_directory(path), is_beginning);
  return begun_at_most ? Kind::empty : Kind::other;
}

void RunDirectory::check(const io::Path& path, bool resume) {
  if (inspect(path) == Kind::run) refuse_if_held(path);
  check_unlocked(path, resume);
}

void RunDirectory::check_unlocked(const io::Path& path, bool resume) {
  const Kind kind = inspect(path);
  const std::string name = "--out " + shown(path);
  if (kind == Kind::other) {
    throw CannotWrite(
        name +
        " is there already and is not a run directory: nothing in it is touched\nchoose another --out");
  }
  if (kind == Kind::run && !resume) {
    throw CannotWrite(name + " holds a run already\ngo on with it by --resume, or choose another --out");
  }
  if (kind != Kind::run && resume) throw BadCheckpoint(name + ": there is no run to resume");
  const io::WriteObstacle obstacle = io::probe_writing(path);
  if (obstacle.error != 0) throw CannotWrite(name + ": " + obstacle.text);
}

RunDirectory::RunDirectory(const io::Path& path, bool resume) : path_(path) {
  check(path, resume);
  io::make_directories(path);
  lock_ = lock_file(path);
  try {
    check_unlocked(path, resume);  // another may have come first
  } catch (...) {
    release();
    throw;
  }
  io::sync_name(path);  // whoever made it
  std::error_code none;
  if (!resume) std::filesystem::remove(path / kReportName, none);  // of a process that came to nothing here
  log_ = std::make_unique<io::AppendFile>(path / kLogName);
  metrics_ = std::make_unique<io::AppendFile>(path / kMetricsName);
}

RunDirectory::~RunDirectory() { release(); }

// Empty again: the files of a run that was only looked at are as they were.
void RunDirectory::release() {
  [[maybe_unused]] const int cut = ftruncate(lock_, 0);
  close(lock_);
}

void RunDirectory::write(const std::string& name, std::string_view content) const {
  io::write_file(path_ / name, content);
}

void RunDirectory::write_status(const RunStatus& status) const {
  const nlohmann::ordered_json json = {{"state", status.state},
                                       {"step", status.step},
                                       {"planned_steps", status.planned_steps},
                                       {"reason", printable(status.reason)},
                                       {"exit_code", status.exit_code},
                                       {"pid", getpid()},
                                       {"wall", io::wall_seconds()}};
  write(kStatusName, json.dump(2) + "\n");
}

void RunDirectory::add_metrics(std::string_view json_line) {
  metrics_->append(std::string(json_line) + "\n");
}

RunDirectory::KeptMetrics RunDirectory::keep_metrics(std::int64_t step, std::int64_t bytes) {
  const std::string text = io::read_text(path_ / kMetricsName);
  const bool complete = bytes <= static_cast<std::int64_t>(text.size()) &&
                        (bytes <= 0 || text[static_cast<std::size_t>(bytes) - 1] == '\n');
  std::string kept;
  if (bytes >= 0 && complete) {
    kept = text.substr(0, static_cast<std::size_t>(bytes)) +
           lines_that(std::string_view(text).substr(static_cast<std::size_t>(bytes)), [&](const auto& line) {
             return text_of(line, "kind") == "saved_evaluation" && until(line, step);
           });
  } else {
    kept = lines_that(text, [&](const auto& line) { return until(line, step); });
  }
  if (kept != text) {
    metrics_.reset();
    write(kMetricsName, kept);
    metrics_ = std::make_unique<io::AppendFile>(path_ / kMetricsName);
  }
  return {.trained = trained_in(kept), .complete = complete};
}

std::string RunDirectory::state() const {
  const io::Path path = path_ / kStatusName;
  if (!io::exists(path)) return "";
  const auto json = nlohmann::json::parse(io::read_text(path), nullptr, /*allow_exceptions=*/false);
  return text_of(json, "state");
}

void RunDirectory::sweep() const {
  std::error_code error;
  for (const io::Path& path : io::list_directory(path_, error)) {
    if (path.filename().string().find(".tmp-") != std::string::npos) std::filesystem::remove(path, error);
  }
}

void RunDirectory::add_log(std::string_view json_line) { log_->append(std::string(json_line) + "\n"); }

}  // namespace nagare::apps
