// nagare doctor: one check a function, one row each in kChecks.
#include <fmt/format.h>
#include <link.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <span>

#include "apps/command.h"
#include "apps/limits.h"
#include "apps/machine.h"
#include "apps/session.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_context.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/io/probe.h"
#include "engine/text/printable.h"
#include "engine/vendor/cuda_libraries.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

enum class Verdict { ok, warning, problem };

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string found;
  std::string advice = "";             // what to do; of a warning or a problem
  ExitCode code = ExitCode::internal;  // of a problem: what a run would end with
};

struct Check {
  const char* name;
  Finding (*look)(const Settings& settings);
};

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
  const std::string largest = size_text(bytes.rlim_cur == RLIM_INFINITY ? UINT64_MAX : bytes.rlim_cur);
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

Finding output(const Settings& settings) {
  const io::Path out = settings.options().out.empty() ? "." : settings.options().out;
  const std::string problem = io::probe_writing(out);
  if (!problem.empty()) {
    return {.verdict = Verdict::problem,
            .found = problem,
            .advice = "choose another --out, make room, or ask for permission",
            .code = ExitCode::cannot_write};
  }
  const io::FileSystem disk = io::inspect_file_system(out);
  const std::string found =
      fmt::format("{}: {} free", printable(io::nearest_existing(out).string()), size_text(disk.free_bytes));
  if (disk.free_bytes < 64 * kMiB || disk.free_files < 64) {
    return {.verdict = Verdict::problem,
            .found = found + fmt::format(", {} files", disk.free_files),
            .advice = "make room, or choose another --out: a checkpoint of a ResNet-18 takes 100 to 300 MiB",
            .code = ExitCode::cannot_write};
  }
  if (disk.free_bytes < 2 * kGiB) {
    return {.verdict = Verdict::warning,
            .found = found,
            .advice =
                "a checkpoint of a ResNet-18 takes 100 to 300 MiB; --checkpoint-keep says how many are kept"};
  }
  if (disk.in_memory) {
    return {.verdict = Verdict::warning,
            .found = found + ", in memory",
            .advice = "gone with the next boot: choose another --out"};
  }
  if (disk.remote) {
    return {.verdict = Verdict::warning,
            .found = found + ", on a network",
            .advice = "let no second machine work in the same run: locks are the server's business"};
  }
  return {.found = found};
}

Finding data(const Settings& settings) {
  const std::string& spec = settings.options().data;
  if (settings.origin("data") == "default") return {.found = "drawn by the program (no --data)"};
  try {
    const ssl::Dataset dataset = load_data(settings.options());
    const std::string found = fmt::format("{}: {} training and {} test images", printable(spec),
                                          dataset.train.size(), dataset.test.size());
    if (!dataset.skipped.empty()) {
      return {.verdict = Verdict::warning,
              .found = fmt::format("{}, {} bad files", found, dataset.skipped.size()),
              .advice = "they are replaced by neighbours; first: " + dataset.skipped[0].path + ": " +
                        dataset.skipped[0].reason};
    }
    return {.found = found};
  } catch (...) {
    const Failure failure = describe(std::current_exception());
    return {.verdict = Verdict::problem,
            .found = printable(failure.message),
            .advice = "nagare data list shows the kinds of source and how they are written",
            .code = failure.code};
  }
}

Finding gpu(const Settings& settings) {
  const std::string& asked = settings.options().device;
  try {
    const DeviceChoice choice = choose_device(asked);
    if (choice.device == Device::cpu) return {.found = choice.note.empty() ? "not asked for" : choice.note};
    if constexpr (kBuiltWithCuda) return {.found = cuda_runtime::describe()};
    return {};
  } catch (const DeviceUnavailable& unusable) {
    return {.verdict = Verdict::problem,
            .found = unusable.what(),
            .advice = "nvidia-smi tells of the driver; without a GPU leave --device out",
            .code = ExitCode::device};
  }
}

Finding gpu_libraries(const Settings& settings) {
  if constexpr (!kBuiltWithCuda) return {.found = "none needed: built without CUDA"};
  std::string found;
  std::string absent;
  for (const vendor::LibraryStatus& library : vendor::library_status()) {
    std::string& list = library.problem.empty() ? found : absent;
    list +=
        (list.empty() ? "" : ", ") + library.name + (library.version.empty() ? "" : " " + library.version);
  }
  // Nobody misses them on the CPU.
  if (absent.empty() || settings.options().device == "cpu" || choose_device("auto").device == Device::cpu)
    return {.found = found.empty() ? "none found, none needed on the CPU" : found};
  return {.verdict = Verdict::warning,
          .found = (found.empty() ? "" : found + "; ") + "not found: " + absent,
          .advice =
              "methods that need them end with code 7; nagare info says what each is for and where it was "
              "looked for"};
}

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

Finding clock_check(const Settings& /*settings*/) {
  constexpr double kYear2024 = 1704067200.0;
  const double now = io::wall_seconds();
  if (now < kYear2024) {
    return {.verdict = Verdict::warning,
            .found = fmt::format("{:.0f} seconds since 1970", now),
            .advice = "set the clock: names of runs and TensorBoard's axes come from it; training does not"};
  }
  return {.found = "set"};
}

constexpr Check kChecks[] = {
    {"program", &program},
    {"processor", &processor},
    {"threads", &threads},
    {"memory", &memory},
    {"limits", &limits},
    {"output", &output},
    {"data", &data},
    {"GPU", &gpu},
    {"GPU libraries", &gpu_libraries},
    {"libraries", &libraries},
    {"locale", &locale},
    {"clock", &clock_check},
};

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::problem:
      return "problem";
  }
  return "";
}

}  // namespace

ExitCode run_doctor(const Settings& settings, Console& console) {
  ExitCode code = ExitCode::done;
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"check", "verdict", "found"}};
  std::string advice;
  for (const Check& check : kChecks) {
    const Finding finding = check.look(settings);
    if (finding.verdict == Verdict::problem && code == ExitCode::done) code = finding.code;
    list.push_back({{"name", check.name},
                    {"verdict", word(finding.verdict)},
                    {"found", finding.found},
                    {"advice", finding.advice}});
    rows.push_back({check.name, word(finding.verdict), finding.found});
    if (!finding.advice.empty())
      advice += fmt::format("{}, {}: {}\n", word(finding.verdict), check.name, finding.advice);
  }
  const bool healthy = code == ExitCode::done;
  if (settings.options().json) {
    console.result(Json{{"schema", 1},
                        {"healthy", healthy},
                        {"exit_code", static_cast<int>(code)},
                        {"checks", std::move(list)}}
                       .dump(2) +
                   "\n");
  } else {
    console.result(table(rows) + (advice.empty() ? "nothing is wrong\n" : "\n" + advice));
  }
  return code;
}

}  // namespace nagare::apps
