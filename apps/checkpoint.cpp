#include "apps/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/device/errors.h"
#include "engine/io/safetensors.h"
#include "engine/io/state_io.h"
#include "engine/text/printable.h"
#include "ssl/eval/readout.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kModelName[] = "model.safetensors";
constexpr char kStateName[] = "state.safetensors";
constexpr char kManifestName[] = "manifest.json";
constexpr char kLatestName[] = "LATEST";
constexpr char kStepPrefix[] = "step-";
constexpr std::int64_t kSchema = 2;
constexpr std::uint64_t kMaxManifestBytes = 1 << 20;

std::string shown(const io::Path& path) { return printable(path.string()); }

io::Path checkpoints_of(const io::Path& run) { return run / "checkpoints"; }

std::string step_name(std::int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "%s%09lld", kStepPrefix, static_cast<long long>(step));
  return name;
}

// The network's entries under their own names, and all others.
std::pair<nn::StateList, nn::StateList> split(const nn::StateList& state) {
  std::pair<nn::StateList, nn::StateList> parts;
  const std::string_view prefix = kNetworkPrefix;
  for (const nn::StateEntry& entry : state.entries()) {
    const bool network = entry.name.starts_with(prefix);
    nn::StateList& list = network ? parts.first : parts.second;
    list.add(network ? entry.name.substr(prefix.size()) : entry.name, entry.tensor, entry.role, entry.layout);
  }
  return parts;
}

Json to_json(const Manifest& m, const io::Path& directory) {
  Json files = Json::array();
  for (const char* name : {kModelName, kStateName}) {
    files.push_back({{"name", name}, {"bytes", std::filesystem::file_size(directory / name)}});
  }
  return {{"schema", kSchema},
          {"step", m.step},
          {"task", m.task},
          {"model", m.model},
          {"image_size", m.image_size},
          {"mean", m.mean},
          {"std", m.std},
          {"precision", m.precision},
          {"method", m.method},
          {"strategy", m.strategy},
          {"data", m.data},
          {"data_labels", m.data_labels},
          {"stream", m.stream},
          {"class_order", m.class_order},
          {"seed", m.seed},
          {"readouts", m.readouts},
          {"files", std::move(files)}};
}

void rename_into_place(const io::Path& from, const io::Path& to) {
  std::error_code error;
  std::filesystem::remove_all(to, error);  // the same step again, after a resume
  std::filesystem::rename(from, to, error);
  if (error) throw CannotWrite(shown(to) + ": " + error.message());
}

}  // namespace

// Names of equal length sort by step.
std::vector<io::Path> list_checkpoints(const io::Path& run) {
  std::vector<io::Path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints_of(run), error)) {
    if (entry.path().filename().string().starts_with(kStepPrefix)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

io::Path save_checkpoint(const io::Path& run, const Manifest& manifest, const nn::StateList& state,
                         std::int64_t keep) {
  const io::Path parent = checkpoints_of(run);
  const std::string name = step_name(manifest.step);
  const io::Path unfinished = parent / (".unfinished-" + name);
  std::error_code error;
  std::filesystem::remove_all(unfinished, error);
  io::make_directories(unfinished);
  const auto [network, rest] = split(state);
  io::save_state(unfinished / kModelName, network, {{"nagare.model", manifest.model}});
  io::save_state(unfinished / kStateName, rest);
  io::write_file(unfinished / kManifestName, to_json(manifest, unfinished).dump(2) + "\n");
  rename_into_place(unfinished, parent / name);
  io::write_file(parent / kLatestName, name + "\n");

  const std::vector<io::Path> all = list_checkpoints(run);
  const auto excess = static_cast<std::ptrdiff_t>(all.size()) - keep;
  for (std::ptrdiff_t i = 0; i < excess; ++i) {
    if (all[static_cast<std::size_t>(i)].filename() == name) continue;
    std::filesystem::remove_all(all[static_cast<std::size_t>(i)], error);
  }
  return parent / name;
}

bool has_checkpoint(const io::Path& run) { return !list_checkpoints(run).empty(); }

io::Path newest_checkpoint(const io::Path& run) {
  const std::vector<io::Path> all = list_checkpoints(run);
  if (all.empty()) throw BadCheckpoint(shown(run) + ": holds no checkpoint");
  return all.back();
}

io::Path find_checkpoint(const io::Path& path) {
  if (!io::exists(path)) throw BadCheckpoint(shown(path) + ": there is no such run or checkpoint");
  if (io::exists(path / kManifestName)) return path;
  if (path.extension() == ".safetensors" && io::exists(path.parent_path() / kManifestName))
    return path.parent_path();
  if (io::exists(checkpoints_of(path))) return newest_checkpoint(path);
  throw BadCheckpoint(shown(path) + ": neither a run nor a checkpoint (no " + std::string(kManifestName) +
                      ", no checkpoints/)");
}

Manifest read_manifest(const io::Path& checkpoint) {
  const io::Path path = checkpoint / kManifestName;
  try {
    const Json json = Json::parse(io::read_text(path, kMaxManifestBytes));
    if (json.at("schema").get<std::int64_t>() != kSchema)
      throw BadCheckpoint(shown(path) + ": of another version");
    for (const Json& file : json.at("files")) {
      const io::Path part = checkpoint / file.at("name").get<std::string>();
      std::error_code error;
      const auto bytes = std::filesystem::file_size(part, error);
      if (error) throw BadCheckpoint(shown(part) + ": " + error.message());
      if (bytes != file.at("bytes").get<std::uintmax_t>()) {
        throw BadCheckpoint(shown(part) + ": holds " + std::to_string(bytes) + " bytes, the manifest says " +
                            file.at("bytes").dump());
      }
    }
    return {.step = json.at("step"),
            .task = json.at("task"),
            .model = json.at("model"),
            .image_size = json.at("image_size"),
            .mean = json.at("mean"),
            .std = json.at("std"),
            .precision = json.at("precision"),
            .method = json.at("method"),
            .strategy = json.at("strategy"),
            .data = json.at("data"),
            .data_labels = json.value("data_labels", "separate"),
            .stream = json.at("stream"),
            .class_order = json.at("class_order"),
            .seed = json.at("seed"),
            .readouts = json.at("readouts")};
  } catch (const Json::exception& error) {
    throw BadCheckpoint(shown(path) + ": damaged: " + printable(error.what()));
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  }
}

void load_checkpoint(const io::Path& checkpoint, const nn::StateList& state) {
  const auto [network, rest] = split(state);
  try {
    io::load_state(io::read_safetensors(checkpoint / kModelName), network);
    io::load_state(io::read_safetensors(checkpoint / kStateName), rest);
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  }
}

ssl::EvaluationTable load_evaluations(const io::Path& checkpoint, const Manifest& manifest) {
  try {
    std::vector<std::string> names;
    for (const ssl::Readout& readout : ssl::parse_readouts(manifest.readouts)) names.push_back(readout.spec);
    return {names, io::read_safetensors(checkpoint / kStateName).load("trainer.evaluations")};
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  } catch (const std::invalid_argument& error) {
    throw BadCheckpoint(shown(checkpoint / kStateName) + ": " + error.what());
  }
}

void load_network(const io::Path& checkpoint, const models::Backbone& backbone) {
  nn::StateList list;
  backbone.list_state(list);
  try {
    io::load_state(io::read_safetensors(checkpoint / kModelName), list);
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  }
}

}  // namespace nagare::apps
