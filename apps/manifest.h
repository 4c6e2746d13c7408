#pragma once
// manifest.json of a checkpoint: what the network is and how it is fed, the run it belongs to, and its files with
// their sizes and checksums (XXH3-128), of every tensor too. Its last line is the checksum of the lines before.
//
// Schemas: 3 is written. 2 is read, and lacks checksums, the length of metrics.jsonl and what computed it: only sizes
// can be compared. Others are OtherSchema.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device/errors.h"

namespace nagare::apps {

struct FileRecord {
  std::string name = {};
  std::uint64_t bytes = 0;
  std::string checksum = {};                        // of the whole file; "" in schema 2
  std::map<std::string, std::string> tensors = {};  // name -> checksum of its bytes on disk
  auto operator<=>(const FileRecord&) const = default;
};

// What the last bits of the numbers depend on, beside options and seed.
struct Arithmetic {
  std::string device = {};  // "cpu", "cuda"
  std::int64_t threads = 0;
  std::string cpu = {};  // the vector extensions that choose the code
  auto operator<=>(const Arithmetic&) const = default;
};

struct Manifest {
  std::int64_t schema = 3;
  std::string version = {};  // of the program that wrote it
  std::int64_t step = 0;
  std::int64_t task = 0;
  // What a stranger needs to use the network.
  std::string model = {};  // spec
  std::int64_t image_size = 32;
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  std::string precision = {};
  std::string method = {};
  std::string strategy = {};
  std::string data = {};
  std::string data_labels = "separate";
  std::string stream = {};
  std::string class_order = {};
  std::int64_t seed = 0;
  std::string readouts = "knn";  // that judged it in training
  // What a resumed run needs.
  std::string stream_digest = {};   // "" in schema 2
  std::int64_t metrics_bytes = -1;  // of metrics.jsonl when it was written; -1 in schema 2
  Arithmetic arithmetic = {};       // of schema 2: threads 0
  std::vector<FileRecord> files = {};
};

inline constexpr std::int64_t kManifestSchema = 3;
inline constexpr std::int64_t kOldestManifestSchema = 2;

// Written by a program whose checkpoints this one does not read.
struct OtherSchema : BadCheckpoint {
  using BadCheckpoint::BadCheckpoint;
};

std::string to_text(const Manifest& manifest);

// `name` stands for the file in errors.
// errors  BadCheckpoint: damaged (the checksum of its text, a missing or impossible value); OtherSchema
Manifest parse_manifest(std::string_view text, const std::string& name);

}  // namespace nagare::apps
