#include "apps/checkpoint_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <new>
#include <span>
#include <system_error>
#include <utility>

#include "engine/device/errors.h"
#include "engine/io/checksum.h"
#include "engine/io/directory.h"
#include "engine/io/state_io.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr char kLatestName[] = "LATEST";
constexpr char kUnfinished[] = ".tmp-";
constexpr char kTrash[] = ".trash-";
constexpr std::uint64_t kReserve =
    4 << 20;  // beside the checkpoint: its manifest, the logs until the next one

struct Snapshot {
  Manifest manifest;
  std::vector<io::NamedTensor> network;
  std::vector<io::NamedTensor> rest;

  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto* part : {&network, &rest}) {
      for (const io::NamedTensor& t : *part) sum += t.tensor.bytes();
    }
    return sum;
  }
};

// A loss can be finite and the update after it not. Such weights must not take the place of the last good ones.
void check_finite(const Snapshot& snapshot) {
  for (const io::NamedTensor& part : snapshot.network) {
    if (part.tensor.dtype() != DType::f32) continue;
    const std::span<const float> values(part.tensor.data<float>(),
                                        static_cast<std::size_t>(part.tensor.numel()));
    if (std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) continue;
    throw Diverged(
        fmt::format("the network is not finite after step {} ({}): it is not saved\n"
                    "go on from the checkpoint before by --resume, or lower the learning rate",
                    snapshot.manifest.step, part.name));
  }
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
}

void check_space(const io::Path& parent, std::uint64_t bytes) {
  const std::uint64_t needed = bytes + bytes / 10 + kReserve;
  const std::uint64_t available = io::free_space(parent);
  if (available >= needed) return;
  throw CannotWrite(
      fmt::format("{}: a checkpoint needs {}, the file system has {} left; make room or lower "
                  "--checkpoint-keep, then go on "
                  "with --resume",
                  printable(parent.string()), megabytes(needed), megabytes(available)));
}

FileRecord write_part(const io::Path& directory, const char* name,
                      const std::vector<io::NamedTensor>& tensors, io::Metadata metadata) {
  FileRecord record{.name = name};
  io::NewFile file(directory / name);
  io::Checksum sum;
  metadata.emplace("format", "pt");  // other readers look for it
  io::write_safetensors(
      [&](const void* data, std::size_t bytes) {
        file.write(data, bytes);
        sum.add(data, bytes);
        record.bytes += bytes;
      },
      tensors, metadata);
  file.commit();
  record.checksum = sum.text();
  for (const io::NamedTensor& t : tensors) {
    record.tensors[t.name] = io::checksum({static_cast<const std::byte*>(t.tensor.raw()), t.tensor.bytes()});
  }
  return record;
}

using Warnings = std::vector<std::string>;

std::string not_removed(const std::string& what) {
  return "not removed: " + what + "; the next checkpoint, if one comes, tries again";
}

std::string not_removed(const io::Path& path, const std::error_code& error) {
  return not_removed(printable(path.string()) + ": " + error.message());
}

void remove(const io::Path& path, Warnings& warnings) {
  std::error_code error;
  io::remove_tree(path, error);
  if (error) warnings.push_back(not_removed(path, error));
}

// Out of sight at once, gone when the last file is: a half-deleted directory never bears a checkpoint's name, not even after a
// power cut, which could undo the new name and not the deletions.
void remove_checkpoint(const io::Path& checkpoint, Warnings& warnings) {
  const io::Path trash = checkpoint.parent_path() / (kTrash + checkpoint.filename().string());
  std::error_code error;
  std::filesystem::rename(checkpoint, trash, error);
  if (error) {
    warnings.push_back(not_removed(checkpoint, error));
    return;
  }
  try {
    io::sync_directory(checkpoint.parent_path());
  } catch (const CannotWrite& failure) {
    warnings.push_back(not_removed(failure.what()));
    return;
  }
  remove(trash, warnings);
}

// What was left half-written or half-removed.
void sweep(const io::Path& parent, Warnings& warnings) {
  std::error_code error;
  const std::vector<io::Path> paths = io::list_directory(parent, error);
  if (error && error != std::errc::no_such_file_or_directory)
    warnings.push_back(
        not_removed("what is unfinished in " + printable(parent.string()) + ": " + error.message()));
  for (const io::Path& path : paths) {
    const std::string name = path.filename().string();
    if (name.starts_with(kUnfinished) || name.starts_with(kTrash) || name.starts_with(".unfinished-") ||
        name.starts_with(std::string(kLatestName) + ".tmp-"))
      remove(path, warnings);
  }
}

// Everything but the name.
void write_files(const io::Path& directory, Snapshot& snapshot) {
  io::make_directories(directory);
  Manifest& manifest = snapshot.manifest;
  manifest.files = {write_part(directory, kModelName, snapshot.network, {{"nagare.model", manifest.model}}),
                    write_part(directory, kStateName, snapshot.rest, {})};
  io::NewFile file(directory / kManifestName);
  file.write(to_text(manifest));
  file.commit();
  io::sync_directory(directory);
}

void commit(const io::Path& unfinished, const io::Path& checkpoint) {
  io::rename_directory(unfinished, checkpoint);
  io::write_file(checkpoint.parent_path() / kLatestName, checkpoint.filename().string() + "\n");
  try {
    verify_checkpoint(checkpoint);
  } catch (const BadCheckpoint& error) {
    throw CannotWrite(std::string("a checkpoint does not read back as it was written: ") + error.what());
  }
}

void rotate(const io::Path& run, const io::Path& newest, std::int64_t keep, Warnings& warnings) {
  std::vector<io::Path> all;
  try {
    all = list_checkpoints(run);
  } catch (const BadCheckpoint& error) {
    warnings.push_back(not_removed(std::string("old checkpoints: ") + error.what()));
    return;
  }
  const auto excess = static_cast<std::ptrdiff_t>(all.size()) - keep;
  for (std::ptrdiff_t i = 0; i < excess; ++i) {
    const io::Path& old = all[static_cast<std::size_t>(i)];
    if (old != newest) remove_checkpoint(old, warnings);
  }
  if (excess <= 0) return;
  try {
    io::sync_directory(checkpoints_of(run));  // what was removed takes no room after a power cut
  } catch (const CannotWrite& failure) {
    warnings.push_back(not_removed(failure.what()));
  }
}

Warnings store(const RunDirectory& run, Snapshot& snapshot, std::int64_t keep) {
  const io::Path parent = checkpoints_of(run.path());
  const std::string name = step_name(snapshot.manifest.step);
  const io::Path unfinished = parent / fmt::format("{}{}-{}", kUnfinished, name, getpid());
  // Not made anew when it was taken away: the rest of the run would be elsewhere.
  if (!io::exists(run.path()))
    throw CannotWrite("the run directory " + printable(run.path().string()) +
                      " is gone: No such file or directory");
  io::make_directories(parent);
  check_space(parent, snapshot.bytes());
  run.sync_metrics();  // the lines that the manifest counts outlive what it describes
  try {
    write_files(unfinished, snapshot);
    commit(unfinished, parent / name);
  } catch (...) {
    try {
      Warnings ignored;
      sweep(parent, ignored);          // a full disk gets its room back
    } catch (const std::bad_alloc&) {  // the first error is the one to tell
    }
    throw;
  }
  Warnings warnings;
  sweep(parent, warnings);  // the one of the same step that this one took the place of
  rotate(run.path(), parent / name, keep, warnings);
  return warnings;
}

}  // namespace

CheckpointWriter::CheckpointWriter(RunDirectory& run, std::int64_t keep, bool background)
    : run_(run), keep_(keep), background_(background) {
  sweep(checkpoints_of(run.path()), warnings_);
  // A kill may have come between a new checkpoint and the end of an old one.
  const std::vector<io::Path> all = list_checkpoints(run.path());
  if (!all.empty()) rotate(run.path(), all.back(), keep, warnings_);
}

CheckpointWriter::~CheckpointWriter() {
  if (stored_.valid()) stored_.wait();
}

void CheckpointWriter::save(Manifest manifest, const nn::StateList& state) {
  collect();
  const auto& [network, rest] = split(state);
  manifest.metrics_bytes = static_cast<std::int64_t>(run_.metrics_bytes());
  auto snapshot = std::make_shared<Snapshot>(
      Snapshot{.manifest = std::move(manifest), .network = io::to_disk(network), .rest = io::to_disk(rest)});
  check_finite(*snapshot);
  auto store_now = [this, snapshot]() mutable {
    Warnings warnings = store(run_, *snapshot, keep_);
    snapshot.reset();
    return warnings;
  };
  if (background_) {
    try {
      stored_ = std::async(std::launch::async, store_now);
      return;
    } catch (const std::system_error&) {  // no thread to be had
    }
  }
  std::ranges::copy(store_now(), std::back_inserter(warnings_));
}

// Waits.
void CheckpointWriter::collect() {
  if (stored_.valid()) std::ranges::copy(stored_.get(), std::back_inserter(warnings_));
}

CheckpointWriter::Warnings CheckpointWriter::check() {
  if (stored_.valid() && stored_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) collect();
  return std::exchange(warnings_, {});
}

CheckpointWriter::Warnings CheckpointWriter::wait() {
  collect();
  return std::exchange(warnings_, {});
}

void set_aside(const RejectedCheckpoint& checkpoint) {
  const io::Path aside = checkpoint.path.parent_path() / ("damaged-" + checkpoint.path.filename().string());
  std::error_code error;
  io::remove_tree(aside, error);
  std::filesystem::rename(checkpoint.path, aside, error);
  if (error) throw CannotWrite(printable(aside.string()) + ": " + error.message());
}

}  // namespace nagare::apps
