#include "apps/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/device/errors.h"
#include "engine/io/checksum.h"
#include "engine/io/directory.h"
#include "engine/io/safetensors.h"
#include "engine/io/state_io.h"
#include "engine/text/printable.h"
#include "ssl/eval/readout.h"

namespace nagare::apps {
namespace {

constexpr char kStepPrefix[] = "step-";
constexpr std::uint64_t kMaxManifestBytes = 64 << 20;

std::string shown(const io::Path& path) { return printable(path.string()); }

const FileRecord& record_of(const io::Path& checkpoint, const Manifest& manifest, const std::string& name) {
  const auto found = std::ranges::find(manifest.files, name, &FileRecord::name);
  if (found == manifest.files.end())
    throw BadCheckpoint(shown(checkpoint / kManifestName) + ": names no " + name);
  return *found;
}

void check_size(const io::Path& path, std::uint64_t bytes, const FileRecord& record) {
  if (bytes == record.bytes) return;
  throw BadCheckpoint(shown(path) + ": holds " + std::to_string(bytes) + " bytes, the manifest says " +
                      std::to_string(record.bytes));
}

void check_sum(const io::Path& path, const std::string& sum, const FileRecord& record) {
  if (record.checksum.empty() || record.checksum == sum) return;
  throw BadCheckpoint(shown(path) + ": damaged: its checksum is " + sum + ", the manifest says " +
                      record.checksum);
}

void verify_file(const io::Path& checkpoint, const FileRecord& record) {
  const io::Path path = checkpoint / record.name;
  io::Checksum sum;
  std::uint64_t bytes = 0;
  io::read_pieces(path, [&](std::span<const std::byte> piece) {
    sum.add(piece.data(), piece.size());
    bytes += piece.size();
  });
  check_size(path, bytes, record);
  check_sum(path, sum.text(), record);
}

io::SafetensorsFile read_part(const io::Path& checkpoint, const Manifest& manifest, const char* name) {
  const FileRecord& record = record_of(checkpoint, manifest, name);
  const io::Path path = checkpoint / name;
  std::vector<std::byte> bytes = io::read_file(path, record.bytes);
  check_size(path, bytes.size(), record);
  if (!record.checksum.empty()) check_sum(path, io::checksum(bytes), record);
  return {std::move(bytes), path.string()};
}

// Also a link to something that is not there.
bool is_there(const io::Path& path) {
  std::error_code error;
  return std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found;
}

// What goes wrong with a file of a checkpoint is the checkpoint's fault.
template <class Body>
auto as_checkpoint_error(const Body& body) {
  try {
    return body();
  } catch (const BadData& error) {
    throw BadCheckpoint(error.what());
  }
}

// A directory that was renamed by hand would be taken for another step.
Manifest verify_named(const io::Path& checkpoint) {
  Manifest manifest = verify_checkpoint(checkpoint);
  if (checkpoint.filename() != step_name(manifest.step)) {
    throw BadCheckpoint(shown(checkpoint) + ": its manifest is of step " + std::to_string(manifest.step));
  }
  return manifest;
}

}  // namespace

StateParts split(const nn::StateList& state) {
  StateParts parts;
  const std::string_view prefix = kNetworkPrefix;
  for (const nn::StateEntry& entry : state.entries()) {
    const bool network = entry.name.starts_with(prefix);
    nn::StateList& list = network ? parts.network : parts.rest;
    nn::StateEntry part = entry;
    if (network) part.name.erase(0, prefix.size());
    list.add(std::move(part));
  }
  for (const nn::StateCheck& check : state.checks()) parts.rest.add_check(check);  // loaded last
  return parts;
}

io::Path checkpoints_of(const io::Path& run) { return run / "checkpoints"; }

std::string step_name(std::int64_t step) {
  char name[40];
  std::snprintf(name, sizeof name, "%s%09lld", kStepPrefix, static_cast<long long>(step));
  return name;
}

// By step: a name of more digits is of a later one.
std::vector<io::Path> list_checkpoints(const io::Path& run) {
  std::vector<std::pair<std::size_t, io::Path>> found;
  std::error_code error;
  const io::Path parent = checkpoints_of(run);
  for (const io::Path& path : io::list_directory(parent, error)) {
    const std::string name = path.filename().string();
    if (name.starts_with(kStepPrefix)) found.emplace_back(name.size(), path);
  }
  // A run whose checkpoints cannot be seen is not a run without any: it would begin again.
  if (error && is_there(parent)) throw BadCheckpoint("cannot list " + shown(parent) + ": " + error.message());
  std::ranges::sort(found);
  std::vector<io::Path> paths;
  for (auto& [length, path] : found) paths.push_back(std::move(path));
  return paths;
}

bool has_checkpoint(const io::Path& run) { return !list_checkpoints(run).empty(); }

Manifest read_manifest(const io::Path& checkpoint) {
  const io::Path path = checkpoint / kManifestName;
  return as_checkpoint_error(
      [&] { return parse_manifest(io::read_text(path, kMaxManifestBytes), shown(path)); });
}

Manifest verify_checkpoint(const io::Path& checkpoint) {
  Manifest manifest = read_manifest(checkpoint);
  as_checkpoint_error([&] {
    for (const char* name : {kModelName, kStateName}) record_of(checkpoint, manifest, name);
    for (const FileRecord& record : manifest.files) verify_file(checkpoint, record);
  });
  return manifest;
}

FoundCheckpoint newest_checkpoint(const io::Path& run) {
  std::vector<io::Path> all = list_checkpoints(run);
  if (all.empty()) throw BadCheckpoint(shown(run) + ": holds no checkpoint");
  std::vector<RejectedCheckpoint> rejected;
  for (; !all.empty(); all.pop_back()) {
    try {
      return {.path = all.back(), .manifest = verify_named(all.back()), .rejected = rejected};
    } catch (const OtherSchema&) {
      throw;
    } catch (const BadCheckpoint& error) {
      rejected.push_back({.path = all.back(), .reason = error.what()});
    }
  }
  std::string reasons;
  for (const RejectedCheckpoint& one : rejected) reasons += "\n" + one.reason;
  throw BadCheckpoint(shown(run) + ": none of its checkpoints is good" + reasons);
}

FoundCheckpoint find_checkpoint(const io::Path& path) {
  const auto of = [](const io::Path& checkpoint) {
    return FoundCheckpoint{.path = checkpoint, .manifest = verify_checkpoint(checkpoint)};
  };
  if (!io::exists(path)) throw BadCheckpoint(shown(path) + ": there is no such run or checkpoint");
  if (io::exists(path / kManifestName)) return of(path);
  if (path.extension() == ".safetensors" && io::exists(path.parent_path() / kManifestName))
    return of(path.parent_path());
  if (io::exists(checkpoints_of(path))) return newest_checkpoint(path);
  throw BadCheckpoint(shown(path) + ": neither a run nor a checkpoint (no " + std::string(kManifestName) +
                      ", no checkpoints/)");
}

void load_checkpoint(const FoundCheckpoint& checkpoint, const nn::StateList& state) {
  const auto& [network, rest] = split(state);
  as_checkpoint_error([&, &network = network, &rest = rest] {
    io::load_state(read_part(checkpoint.path, checkpoint.manifest, kModelName), network);
    io::load_state(read_part(checkpoint.path, checkpoint.manifest, kStateName), rest);
  });
}

io::SafetensorsFile read_state(const FoundCheckpoint& checkpoint) {
  return as_checkpoint_error([&] { return read_part(checkpoint.path, checkpoint.manifest, kStateName); });
}

ssl::EvaluationTable load_evaluations(const FoundCheckpoint& checkpoint) {
  try {
    return as_checkpoint_error([&] {
      std::vector<std::string> names;
      for (const ssl::Readout& readout : ssl::parse_readouts(checkpoint.manifest.readouts))
        names.push_back(readout.spec);
      return ssl::EvaluationTable(names, read_state(checkpoint).load("trainer.evaluations"));
    });
  } catch (const std::invalid_argument& error) {
    throw BadCheckpoint(shown(checkpoint.path / kStateName) + ": " + error.what());
  }
}

void load_network(const io::Path& checkpoint, const Manifest& manifest, const models::Backbone& backbone) {
  nn::StateList list;
  backbone.list_state(list);
  as_checkpoint_error([&] { io::load_state(read_part(checkpoint, manifest, kModelName), list); });
}

}  // namespace nagare::apps
