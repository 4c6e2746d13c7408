#pragma once
// The file that keeps decoded pictures between runs.
//
//   8 bytes   "NAGIMG01"
//   u64       fingerprint of what was decoded
//   u64       XXH3 checksum of all bytes that follow
//   u64 x 5   training images, test images, picture size, classes, bytes of the text block
//   text      class names, then path and reason of every skipped file: each u32 length + bytes
//   u32       labels of training, then of test images
//   u8        pixels of training, then of test images
//
// Numbers are in the machine's order: a cache stays on its machine. Files appear whole, by rename.
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/data/image_files.h"

namespace nagare::ssl {

std::uint64_t files_fingerprint(const std::vector<ImageFile>& files,
                                const std::vector<std::string>& class_names, std::int64_t size);

std::string cache_path(const std::string& directory, std::uint64_t fingerprint);

// Maps the file and fills `data`; false, with `data` unchanged, when it is absent, damaged or of another fingerprint.
bool load_cache(const std::string& path, std::uint64_t fingerprint, Dataset& data);

// "" when it was written, else why not.
std::string save_cache(const std::string& path, std::uint64_t fingerprint, const Dataset& data);

}  // namespace nagare::ssl
