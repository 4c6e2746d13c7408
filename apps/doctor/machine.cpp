// nagare doctor: the program and the machine.
#include "apps/machine.h"

#include <fmt/format.h>
#include <link.h>
#include <sys/resource.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <filesystem>

#include "apps/doctor/checks.h"
#include "apps/limits.h"
#include "build_config.h"
#include "engine/io/clock.h"
#include "engine/text/printable.h"

namespace nagare::apps::doctor {
namespace {

// The files of the libraries that this process has open, by their real names: libdnnl.so.2.7.
int collect_library(dl_phdr_info* object, std::size_t /*size*/, void* list) {
  std::error_code error;
  const std::string name = std::filesystem::canonical(object->dlpi_name, error).filename().string();
  constexpr std::string_view kOfInterest[] = {"libdnnl",     "libgomp", "libjpeg",
                                              "libopenblas", "libpng",  "libstdc++"};
  const bool wanted =
      std::ranges::any_of(kOfInterest, [&](std::string_view of) { return name.starts_with(of); });
  if (!error && wanted) *static_cast<std::string*>(list) += " " + name;
  return 0;
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes == UINT64_MAX) return "unlimited";
  return bytes >= kGiB ? fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(kGiB))
                       : fmt::format("{} MiB", bytes / kMiB);
}

Finding program(const Settings& /*settings*/) {
  return {.found = fmt::format("nagare {}, {} build, gcc {}, CUDA twins {}", kVersion, NAGARE_BUILD_TYPE,
                               __VERSION__, kBuiltWithCuda ? "built in" : "not built")};
}

Finding processor(const Settings& /*settings*/) {
  const Machine machine = describe_machine();
  std::string features;
  for (const std::string& feature : machine.features) features += " " + feature;
  if (machine.features.empty()) {
    return {
        .verdict = Verdict::warning,
        .found = machine.cpu + ", no AVX2",
        .advice =
            "training works but is several times slower; in a virtual machine, pass the host's processor on"};
  }
  return {.found = machine.cpu + ":" + features};
}

Finding threads(const Settings& settings) {
  const int cores = describe_machine().cores;
  const auto asked = static_cast<int>(settings.options().threads);
  const int used = asked > 0 ? asked : cores;
  const double quota = cpu_quota();
  const std::string found = fmt::format("{} of {} cores", used, cores);
  if (quota > 0 && quota + 0.5 < used) {
    return {.verdict = Verdict::warning,
            .found = fmt::format("{}, but the container pays for {:.1f}", found, quota),
            .advice = fmt::format("--threads {}", std::max(1, static_cast<int>(quota)))};
  }
  if (used > cores) {
    return {.verdict = Verdict::warning,
            .found = found,
            .advice = fmt::format("threads that wait for each other slow a run down: --threads {}", cores)};
  }
  if (std::getenv("OMP_THREAD_LIMIT") != nullptr) {
    return {.verdict = Verdict::warning,
            .found = found + fmt::format(", OMP_THREAD_LIMIT={}", printable(std::getenv("OMP_THREAD_LIMIT"))),
            .advice = "unset OMP_THREAD_LIMIT: it overrules --threads"};
  }
  return {.found = found};
}

Finding memory(const Settings& /*settings*/) {
  const MemoryLimit limit = memory_limit();
  const std::string found = fmt::format("{} may be taken, set by {}", size_text(limit.bytes), limit.source);
  if (limit.bytes < 256 * kMiB) {
    return {
        .verdict = Verdict::problem,
        .found = found,
        .advice =
            "end other programs or raise that limit; --stream-batch, --buffer and --eval.bank-images lower "
            "what a run takes",
        .code = ExitCode::memory};
  }
  if (limit.bytes < 2 * kGiB) {
    return {
        .verdict = Verdict::warning, .found = found, .advice = "enough for small networks and batches alone"};
  }
  return {.found = found};
}

Finding limits(const Settings& /*settings*/) {
  rlimit files{};
  rlimit bytes{};
  getrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_FSIZE, &bytes);
  const std::string largest = bytes.rlim_cur == RLIM_INFINITY ? "any size" : size_text(bytes.rlim_cur);
  const std::string found = fmt::format("{} open files, files of {}", files.rlim_cur, largest);
  constexpr rlim_t kFiles = 32;  // a run opens about ten
  if (files.rlim_cur < kFiles) {
    return {.verdict = Verdict::problem,
            .found = found,
            .advice = "ulimit -n 1024",
            .code = ExitCode::cannot_write};
  }
  if (bytes.rlim_cur != RLIM_INFINITY) {
    return {.verdict = Verdict::warning,
            .found = found,
            .advice = "a checkpoint that is larger cannot be written: ulimit -f unlimited"};
  }
  return {.found = found};
}

Finding libraries(const Settings& /*settings*/) {
  std::string list;
  dl_iterate_phdr(&collect_library, &list);
  return {.found = list.empty() ? "linked into the program" : list.substr(1)};
}

Finding locale(const Settings& /*settings*/) {
  const char* const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  std::string set = "C";
  for (const char* name : variables) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    set = std::string(name) + "=" + printable(value);
    break;
  }
  const bool known = std::setlocale(LC_ALL, "") != nullptr;
  std::setlocale(LC_ALL, "C");  // as every other command has it: numbers have a point
  if (!known) {
    return {.verdict = Verdict::warning,
            .found = set + " is not installed here",
            .advice = "nagare does not need it, programs that it starts may complain: export LC_ALL=C.UTF-8"};
  }
  return {.found = set};
}

Finding clock(const Settings& /*settings*/) {
  constexpr double kYear2024 = 1704067200.0;
  const double now = io::wall_seconds();
  if (now < kYear2024) {
    return {.verdict = Verdict::warning,
            .found = fmt::format("{:.0f} seconds since 1970", now),
            .advice = "set the clock: names of runs and TensorBoard's axes come from it; training does not"};
  }
  return {.found = "set"};
}

}  // namespace nagare::apps::doctor
