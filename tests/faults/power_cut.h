#pragma once
// A directory tree as a disk holds it after a power cut. What synced.h kept is there for certain; whether the rest is, is up
// to the disk and its file system: a name without its file's content, a file without its name, half a file.
//
// source  the rules that fsync(2) and rename(2) give; Pillai et al., All File Systems Are Not Created Equal, OSDI 2014
#include <cstdint>
#include <filesystem>
#include <vector>

namespace nagare::faults {

// What becomes of that which was not synced.
enum class Unsynced {
  lost,        // nothing of it is there
  names_only,  // every name is there, of content what was synced
  mixed,  // each file and directory as synced or as written; each file may also be cut half-way; drawn by a seed
};

// Everything below `tree` is on the disk: fills `kept` (synced.h), which is emptied first. Holds on to the files, so that no later
// one gets the number of one of them.
class Settled {
 public:
  Settled(const std::filesystem::path& tree, const std::filesystem::path& kept);
  ~Settled();
  Settled(const Settled&) = delete;
  Settled& operator=(const Settled&) = delete;

 private:
  std::vector<int> descriptors_;
};

// Makes `after`, which must not be there, from what was kept of `tree` and from what lies there now.
void cut_power(const std::filesystem::path& tree, const std::filesystem::path& kept, Unsynced unsynced,
               std::uint64_t seed, const std::filesystem::path& after);

}  // namespace nagare::faults
