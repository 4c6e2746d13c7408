#include "apps/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "engine/device/errors.h"
#include "kernels/parallel.h"

namespace nagare::apps {
namespace {

constexpr std::array<std::string_view, 9> kInteresting = {
    "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile"};

// The value of the first line "NAME : value" of /proc/cpuinfo. "" where there is none; but what cannot be read is not taken for a
// processor without features, which is another than the one that a run was begun on.
std::string cpuinfo(std::string_view name) {
  const char* path = "/proc/cpuinfo";
  errno = 0;
  std::ifstream file(path);
  if (!file.is_open() && errno == ENOENT) return "";
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(name) && colon != std::string::npos) {
      return colon + 2 <= line.size() ? line.substr(colon + 2) : "";
    }
  }
  if (!file.is_open() || file.bad())
    throw BadData(std::string("cannot read ") + path + ": " + std::strerror(errno));
  return "";
}

int allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return 1;
}

bool has_flag(const std::string& flags, std::string_view name) {
  return (" " + flags + " ").find(" " + std::string(name) + " ") != std::string::npos;
}

}  // namespace

Machine describe_machine() {
  Machine machine;
  utsname names{};
  if (uname(&names) == 0) {
    machine.host = names.nodename;
    machine.system = std::string(names.sysname) + " " + names.release + " " + names.machine;
  }
  machine.cpu = cpuinfo("model name");
  const std::string flags = cpuinfo("flags");
  for (const std::string_view name : kInteresting) {
    if (has_flag(flags, name)) machine.features.emplace_back(name);
  }
  machine.cores = allowed_cores();
  machine.memory_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                         static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
  return machine;
}

bool cpu_has_bf16() {
  const std::string flags = cpuinfo("flags");
  return has_flag(flags, "avx512_bf16") || has_flag(flags, "amx_bf16");
}

DType choose_precision(const std::string& request, Device device) {
  if (request == "fp32") return DType::f32;
  if (request == "bf16") return DType::bf16;
  // Every GPU that the build targets computes in bf16.
  if (request == "auto") return device == Device::cuda || cpu_has_bf16() ? DType::bf16 : DType::f32;
  throw BadConfig("--precision " + request + ": need fp32, bf16 or auto");
}

std::string precision_name(DType precision) { return precision == DType::bf16 ? "bf16" : "fp32"; }

int choose_threads(std::int64_t request) {
  const int count = request > 0 ? static_cast<int>(request) : allowed_cores();
  set_threads(count);
  return count;
}

}  // namespace nagare::apps
