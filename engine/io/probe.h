#pragma once
// Whether a directory takes files, asked before work that would be lost without.
#include <cstdint>
#include <string>

#include "engine/io/file.h"

namespace nagare::io {

// `path` itself, or the nearest parent that is there, absolute and without a "/." at its end. Empty when a relative path
// begins at a working directory that is gone.
Path nearest_existing(const Path& path);

// What such a file's name begins with, should it ever stay behind.
inline constexpr char kProbePrefix[] = ".nagare-probe-";

struct WriteObstacle {
  int error = 0;          // errno; 0: there is none
  std::string text = "";  // "PATH: REASON": the system's words, or ours where those mislead
};

// Creates a file in nearest_existing(directory), writes and syncs 4096 bytes, and removes it. Root is not fooled by
// permissions it does not need, nor a full disk by free inodes.
WriteObstacle probe_writing(const Path& directory);

struct FileSystem {
  std::uint64_t free_bytes = 0;  // that an ordinary user may take
  std::uint64_t free_files = 0;  // UINT64_MAX where the file system does not count them
  bool in_memory = false;        // gone with the next boot
  bool remote = false;           // locks and syncs are the server's business
};
// errors  CannotWrite
FileSystem inspect_file_system(const Path& path);

}  // namespace nagare::io
