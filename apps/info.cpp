#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/machine.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_context.h"
#include "engine/vendor/cuda_libraries.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

std::string gpu_text(const DeviceChoice& choice) {
  if (choice.device == Device::cpu) return choice.note.empty() ? "not asked for" : choice.note;
  if constexpr (kBuiltWithCuda) return cuda_runtime::describe();
  return "";
}

// What the GPU path would open; nothing in a build without it.
std::vector<vendor::LibraryStatus> libraries() {
  if constexpr (kBuiltWithCuda) return vendor::library_status();
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

ExitCode run_info(const Settings& settings, Console& console) {
  const Options& options = settings.options();
  const DeviceChoice choice = choose_device(options.device);
  const Machine machine = describe_machine();
  const int threads = choose_threads(options.threads);
  const std::string precision = precision_name(choose_precision("auto", choice.device));
  const std::string gpu = gpu_text(choice);
  const auto optional_libraries = libraries();
  if (options.json) {
    Json list = Json::array();
    for (const vendor::LibraryStatus& library : optional_libraries) {
      list.push_back({{"name", library.name},
                      {"purpose", library.purpose},
                      {"path", library.path},
                      {"version", library.version},
                      {"tried", library.tried},
                      {"problem", library.problem}});
    }
    const Json json = {{"schema", 1},
                       {"version", kVersion},
                       {"build", NAGARE_BUILD_TYPE},
                       {"compiler", __VERSION__},
                       {"cuda_build", kBuiltWithCuda},
                       {"host", machine.host},
                       {"system", machine.system},
                       {"cpu", machine.cpu},
                       {"cpu_features", machine.features},
                       {"cores", machine.cores},
                       {"threads", threads},
                       {"memory_bytes", machine.memory_bytes},
                       {"device", to_string(choice.device)},
                       {"gpu", gpu},
                       {"precision", precision},
                       {"libraries", std::move(list)}};
    console.result(json.dump(2) + "\n");
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows = {
      {"nagare", fmt::format("{}, {} build, gcc {}, CUDA twins {}", kVersion, NAGARE_BUILD_TYPE, __VERSION__,
                             kBuiltWithCuda ? "built in" : "not built")},
      {"system", machine.system},
      {"processor", machine.cpu},
      {"vector units", joined(machine.features)},
      {"threads", fmt::format("{} of {} cores", threads, machine.cores)},
      {"memory", fmt::format("{:.1f} GiB", static_cast<double>(machine.memory_bytes) / kGiB)},
      {"GPU", gpu},
      {"default device", to_string(choice.device)},
      {"default precision", precision}};
  for (const vendor::LibraryStatus& library : optional_libraries) {
    const std::string found =
        library.problem.empty() ? library.version + ", " + library.path : library.problem;
    rows.push_back({library.name + " (" + library.purpose + ")", found});
  }
  console.result(table(rows));
  return ExitCode::done;
}

ExitCode run_version(const Settings& settings, Console& console) {
  if (settings.options().json) {
    console.result(Json{{"schema", 1}, {"version", kVersion}}.dump() + "\n");
  } else {
    console.result(std::string("nagare ") + kVersion + "\n");
  }
  return ExitCode::done;
}

}  // namespace nagare::apps
