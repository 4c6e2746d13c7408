#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/checkpoint.h"
#include "apps/command.h"
#include "apps/run_directory.h"
#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPrefixShown = 12;  // digits of a checksum in a table

std::string shown(const io::Path& path) { return printable(path.string()); }

bool is_run(const io::Path& path) {
  try {
    if (!io::exists(path)) throw BadCheckpoint(shown(path) + ": there is no such run or checkpoint");
    return io::exists(checkpoints_of(path)) || io::exists(path / kConfigName);
  } catch (const BadData& error) {  // a directory that may not be entered
    throw BadCheckpoint(error.what());
  }
}

// A run stands for all its checkpoints, anything else for one.
std::vector<io::Path> checkpoints_in(const std::vector<std::string>& paths) {
  std::vector<io::Path> found;
  for (const io::Path path : paths) {
    if (!is_run(path)) {
      found.push_back(path);
      continue;
    }
    const std::vector<io::Path> of_run = list_checkpoints(path);
    if (of_run.empty()) throw BadCheckpoint(shown(path) + ": holds no checkpoint");
    found.insert(found.end(), of_run.begin(), of_run.end());
  }
  return found;
}

std::uint64_t bytes_of(const Manifest& manifest) {
  std::uint64_t sum = 0;
  for (const FileRecord& file : manifest.files) sum += file.bytes;
  return sum;
}

ExitCode verify(const Options& options, Console& console) {
  Json list = Json::array();
  std::string text;
  std::string problems;
  for (const io::Path& checkpoint : checkpoints_in(options.paths)) {
    try {
      const Manifest manifest = verify_checkpoint(checkpoint);
      list.push_back({{"checkpoint", shown(checkpoint)},
                      {"good", true},
                      {"step", manifest.step},
                      {"bytes", bytes_of(manifest)},
                      {"reason", ""}});
      text += fmt::format("good     {}  {} bytes\n", shown(checkpoint), bytes_of(manifest));
    } catch (const BadCheckpoint& error) {
      list.push_back({{"checkpoint", shown(checkpoint)},
                      {"good", false},
                      {"step", nullptr},
                      {"bytes", nullptr},
                      {"reason", error.what()}});
      text += fmt::format("damaged  {}  {}\n", shown(checkpoint), error.what());
      problems += std::string(problems.empty() ? "" : "\n") + error.what();
    }
  }
  console.result(options.json ? Json{{"schema", 1}, {"checkpoints", list}}.dump(2) + "\n" : text);
  if (!problems.empty()) throw BadCheckpoint(problems);
  return ExitCode::done;
}

std::string shown_tensors(const FileRecord& file) {
  std::string text;
  for (const auto& [name, checksum] : file.tensors)
    text += fmt::format("    {}  {}\n", checksum.substr(0, kPrefixShown), printable(name));
  return text;
}

ExitCode show(const Options& options, Console& console) {
  if (options.paths.size() != 1) throw UsageError("nagare checkpoint show takes one run or checkpoint");
  const FoundCheckpoint found = find_checkpoint(options.paths.front());
  const Manifest& m = found.manifest;
  for (const RejectedCheckpoint& one : found.rejected)
    console.warning(one.reason + ": this checkpoint is not used, the one before is");
  if (options.json) {
    const Json manifest = Json::parse(to_text(m));
    console.result(Json{{"schema", 1}, {"checkpoint", shown(found.path)}, {"manifest", manifest}}.dump(2) +
                   "\n");
    return ExitCode::done;
  }
  std::string text = fmt::format(
      "{}\nstep {}, task {}\nwritten by nagare {}, schema {}\n{} + {} on {}, {}\ndata {}, stream {}, seed "
      "{}\n"
      "computed on {} with {} threads ({})\n",
      shown(found.path), m.step, m.task + 1, m.version.empty() ? "of an older version" : printable(m.version),
      m.schema, printable(m.method), printable(m.strategy), printable(m.model), printable(m.precision),
      printable(m.data), printable(m.stream), m.seed, printable(m.arithmetic.device), m.arithmetic.threads,
      printable(m.arithmetic.cpu));
  for (const FileRecord& file : m.files)
    text += fmt::format("  {}  {} bytes  {}\n{}", printable(file.name), file.bytes, file.checksum,
                        shown_tensors(file));
  console.result(text);
  return ExitCode::done;
}

using Checksums = std::map<std::string, std::string>;

// "FILE: TENSOR" -> checksum. Schema 2 has none.
Checksums tensors_of(const FoundCheckpoint& checkpoint) {
  if (checkpoint.manifest.schema < kManifestSchema) {
    throw BadCheckpoint(shown(checkpoint.path) + ": of schema " + std::to_string(checkpoint.manifest.schema) +
                        ", without checksums of its tensors: resume the run once to have one");
  }
  Checksums all;
  for (const FileRecord& file : checkpoint.manifest.files) {
    for (const auto& [tensor, checksum] : file.tensors) all[file.name + ": " + tensor] = checksum;
  }
  return all;
}

ExitCode diff(const Options& options, Console& console) {
  if (options.paths.size() != 2) throw UsageError("nagare checkpoint diff takes two runs or checkpoints");
  const FoundCheckpoint a = find_checkpoint(options.paths[0]);
  const FoundCheckpoint b = find_checkpoint(options.paths[1]);
  const Checksums left = tensors_of(a);
  const Checksums right = tensors_of(b);
  Json different = Json::array();
  Json only_left = Json::array();
  Json only_right = Json::array();
  std::size_t equal = 0;
  std::string text;
  const auto say = [&](const char* what, const std::string& name, Json& list) {
    list.push_back(name);
    text += fmt::format("{}  {}\n", what, printable(name));
  };
  for (const auto& [name, checksum] : left) {
    const auto other = right.find(name);
    if (other == right.end()) {
      say("only in the first ", name, only_left);
    } else if (other->second != checksum) {
      say("different         ", name, different);
    } else {
      ++equal;
    }
  }
  for (const auto& [name, checksum] : right) {
    if (!left.contains(name)) say("only in the second", name, only_right);
  }
  const bool same = equal == left.size() && equal == right.size();
  text += fmt::format("{} and {}: {} of {} tensors are equal\n", shown(a.path), shown(b.path), equal,
                      std::max(left.size(), right.size()));
  const Json json = {{"schema", 1},
                     {"first", shown(a.path)},
                     {"second", shown(b.path)},
                     {"equal", equal},
                     {"different", different},
                     {"only_first", only_left},
                     {"only_second", only_right}};
  console.result(options.json ? json.dump(2) + "\n" : text);
  return same ? ExitCode::done : ExitCode::different;
}

}  // namespace

ExitCode run_checkpoint(const Settings& settings, Console& console) {
  const Options& options = settings.options();
  if (options.paths.empty())
    throw UsageError("checkpoint: the run or checkpoint is missing\nsee nagare checkpoint --help");
  if (options.action == "verify") return verify(options, console);
  if (options.action == "show") return show(options, console);
  if (options.action == "diff") return diff(options, console);
  throw UsageError("checkpoint: unknown action " + printable(options.action) + ": need verify, show or diff");
}

}  // namespace nagare::apps
