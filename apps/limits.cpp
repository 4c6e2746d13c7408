#include "apps/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

namespace nagare::apps {
namespace {

// The first line of a file that begins with `prefix`, what follows it, without leading blanks.
std::optional<std::string> value_in(const char* path, std::string_view prefix = "") {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(prefix)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", prefix.size());
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return std::nullopt;
}

// The number that the text begins with.
std::optional<std::uint64_t> number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{}) return std::nullopt;  // "max"
  return value;
}

std::uint64_t difference(std::uint64_t limit, std::uint64_t used) { return limit > used ? limit - used : 0; }

}  // namespace

MemoryLimit memory_limit() {
  MemoryLimit tightest{.bytes = UINT64_MAX, .source = ""};
  const auto consider = [&](std::uint64_t bytes, const char* source) {
    if (bytes < tightest.bytes) tightest = {.bytes = bytes, .source = source};
  };
  constexpr std::uint64_t kKiB = 1024;  // the unit of /proc
  if (const auto available = number(value_in("/proc/meminfo", "MemAvailable:")))
    consider(*available * kKiB, "free memory");
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    consider(difference(space.rlim_cur, number(value_in("/proc/self/status", "VmSize:")).value_or(0) * kKiB),
             "ulimit -v");
  }
  // Version 2 of control groups, as a container sees its own; else version 1.
  if (const auto limit = number(value_in("/sys/fs/cgroup/memory.max"))) {
    consider(difference(*limit, number(value_in("/sys/fs/cgroup/memory.current")).value_or(0)),
             "the container (cgroup memory.max)");
  } else if (const auto old = number(value_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"))) {
    consider(difference(*old, number(value_in("/sys/fs/cgroup/memory/memory.usage_in_bytes")).value_or(0)),
             "the container (cgroup memory.limit_in_bytes)");
  }
  return tightest;
}

double cpu_quota() {
  const std::optional<std::string> both = value_in("/sys/fs/cgroup/cpu.max");  // "50000 100000", "max 100000"
  const std::optional<std::uint64_t> quota = number(both);
  const std::size_t blank = both ? both->find(' ') : std::string::npos;
  if (!quota || blank == std::string::npos) return 0.0;
  const std::uint64_t period = number(both->substr(blank + 1)).value_or(0);
  return period == 0 ? 0.0 : static_cast<double>(*quota) / static_cast<double>(period);
}

}  // namespace nagare::apps
