// nagare doctor: what a run with the options at hand would need.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "apps/doctor/checks.h"
#include "apps/run_directory.h"
#include "apps/session.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_context.h"
#include "engine/device/errors.h"
#include "engine/io/probe.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "engine/vendor/cuda_libraries.h"
#include "ssl/data/join.h"
#include "ssl/data/spec.h"
#include "ssl/data/table.h"

namespace nagare::apps::doctor {
namespace {

std::string advice_for(const io::WriteObstacle& obstacle) {
  switch (obstacle.error) {
    case EACCES:
    case EPERM:
      return "ask for permission to write there, or choose another --out";
    case EDQUOT:
    case ENOSPC:
      return "make room, or choose another --out";
    case EFBIG:
      return "ulimit -f unlimited";
    case ENAMETOOLONG:
      return "choose a shorter --out";
    case ENOTDIR:
      return "a file stands where a directory is needed: choose another --out";
    default:
      return "choose another --out";
  }
}

// What the first source that is not written as it ought to be should look like.
std::string advice_for_spec(const std::string& data) {
  const auto rows = ssl::data_sources();
  std::vector<std::string> names;
  for (const ssl::DataSource& row : rows) names.push_back(row.name);
  for (const std::string& text : ssl::split_sources(data)) {
    try {
      ssl::parse_spec(text);
    } catch (const BadConfig&) {
      const std::string name = nearest(text.substr(0, text.find(':')), names);
      const auto row = std::ranges::find(rows, name, &ssl::DataSource::name);
      return "write it as " + row->syntax + "; nagare list data says what every source and key is";
    }
  }
  return "nagare list data says what every key is, and its limits";
}

std::string advice_for_data(ExitCode code, const std::string& data) {
  if (code == ExitCode::config) return advice_for_spec(data);
  if (code == ExitCode::memory)
    return "ask for fewer or smaller images (per-class=, size=); nagare list data says what every key is";
  std::error_code gone;
  return "see whether the path is right and its files are whole and may be read; a relative one begins at " +
         printable(std::filesystem::current_path(gone).string());
}

}  // namespace

Finding output(const Settings& settings) {
  const io::Path out = settings.options().out.empty() ? "." : settings.options().out;
  const io::WriteObstacle obstacle = io::probe_writing(out);
  if (obstacle.error != 0) {
    return {.verdict = Verdict::problem,
            .found = obstacle.text,
            .advice = advice_for(obstacle),
            .code = ExitCode::cannot_write};
  }
  const RunDirectory::Kind kind =
      settings.options().out.empty() ? RunDirectory::Kind::absent : RunDirectory::inspect(out);
  const std::string name = printable(io::nearest_existing(out).string());
  if (kind == RunDirectory::Kind::other) {
    return {.verdict = Verdict::problem,
            .found = name + " is there already and is no run directory",
            .advice = "choose another --out: a run takes a directory that is new or empty",
            .code = ExitCode::cannot_write};
  }
  const io::FileSystem disk = io::inspect_file_system(out);
  const std::string found = fmt::format("{}: {} free", name, size_text(disk.free_bytes));
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
  if (kind == RunDirectory::Kind::run) {
    return {.verdict = Verdict::warning,
            .found = found + ", holds a run already",
            .advice = "go on with it by nagare train --resume, or choose another --out"};
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
  const Options& options = settings.options();
  if (settings.origin("data") == "default") return {.found = "drawn by the program (no --data)"};
  try {
    const ssl::Dataset dataset = load_data(options);
    const std::string found = fmt::format("{}: {} training and {} test images", printable(options.data),
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
            .found = printable(failure.message.substr(0, failure.message.find('\n'))),
            .advice = advice_for_data(failure.code, options.data),
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
    return {
        .verdict = Verdict::problem,
        .found = unusable.what(),
        .advice =
            kBuiltWithCuda
                ? "nvidia-smi shows the driver and the GPUs; without one leave --device out"
                : "build the program with CUDA: cmake --preset cuda && ninja -C build, which needs the CUDA "
                  "toolkit; without a GPU leave --device out",
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

}  // namespace nagare::apps::doctor
