#include "apps/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "apps/exit_code.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr char kLockName[] = ".lock";
constexpr char kConfigName[] = "config.resolved.toml";
constexpr char kMetricsName[] = "metrics.jsonl";

std::string shown(const io::Path& path) { return printable(path.string()); }

// `path` itself, or the closest parent that is there.
io::Path nearest_existing(const io::Path& path) {
  std::error_code error;
  io::Path at = std::filesystem::absolute(path);
  while (!std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  return at;
}

int lock_file(const io::Path& directory) {
  const io::Path path = directory / kLockName;
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw CannotWrite(shown(path) + ": " + std::strerror(errno));
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  const int reason = errno;
  close(descriptor);
  if (reason == EWOULDBLOCK) {
    throw RunInUse("another process works in " + shown(directory) + "\nwait for it, or choose another --out");
  }
  throw CannotWrite(shown(path) + ": " + std::strerror(reason));
}

}  // namespace

RunDirectory::Kind RunDirectory::inspect(const io::Path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return Kind::absent;
  if (!std::filesystem::is_directory(status)) return Kind::other;
  if (std::filesystem::exists(path / kConfigName, error)) return Kind::run;
  // A lock alone is what a process leaves that ended before the run began.
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().filename() != kLockName) return Kind::other;
  }
  return error ? Kind::other : Kind::empty;
}

void RunDirectory::check(const io::Path& path, bool resume) {
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
  const io::Path nearest = nearest_existing(path);
  if (!std::filesystem::is_directory(nearest))
    throw CannotWrite(name + ": " + shown(nearest) + " is not a directory");
  if (access(nearest.c_str(), W_OK) != 0)
    throw CannotWrite(name + ": " + shown(nearest) + ": " + std::strerror(errno));
}

RunDirectory::RunDirectory(const io::Path& path, bool resume) : path_(path) {
  check(path, resume);
  io::make_directories(path);
  lock_ = lock_file(path);
  log_ = std::make_unique<io::AppendFile>(path / "log.txt");
  metrics_ = std::make_unique<io::AppendFile>(path / kMetricsName);
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) close(lock_);
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
  write("STATUS.json", json.dump(2) + "\n");
}

void RunDirectory::add_metrics(std::string_view json_line) {
  metrics_->append(std::string(json_line) + "\n");
}

Trained RunDirectory::drop_metrics_after(std::int64_t step) {
  Trained trained;
  std::string kept;
  std::istringstream lines(io::read_text(path_ / kMetricsName));
  for (std::string line; std::getline(lines, line);) {
    // A kill may have cut the last line.
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    const bool has_step = json.contains("step");
    if (has_step && (!json["step"].is_number() || json["step"].get<std::int64_t>() > step)) continue;
    kept += line + "\n";
    const auto images = json.find("images");
    const auto seconds = json.find("seconds");
    if (images == json.end() || seconds == json.end() || !images->is_number() || !seconds->is_number())
      continue;
    trained.images += images->get<std::int64_t>();
    trained.seconds += seconds->get<double>();
  }
  metrics_.reset();
  write(kMetricsName, kept);
  metrics_ = std::make_unique<io::AppendFile>(path_ / kMetricsName);
  return trained;
}

void RunDirectory::add_log(std::string_view text) { log_->append(text); }

}  // namespace nagare::apps
