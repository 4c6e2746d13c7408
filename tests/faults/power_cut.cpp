#include "tests/faults/power_cut.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/apps/nagare_process.h"

namespace nagare::faults {
namespace {

namespace fs = std::filesystem;

using Inode = std::uint64_t;
using Names = std::map<std::string, Inode>;

Inode inode_of(const fs::path& path) {
  struct stat about {};
  if (lstat(path.c_str(), &about) != 0) throw std::runtime_error("cannot inspect " + path.string());
  return about.st_ino;
}

void write_all(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A file or directory; a link counts as a file without content.
struct Object {
  bool directory = false;
  Names names;
  std::string content;
};

Object live_object(const fs::path& path) {
  Object object{.directory = fs::is_directory(fs::symlink_status(path)), .names = {}, .content = {}};
  if (object.directory) {
    for (const auto& entry : fs::directory_iterator(path))
      object.names[entry.path().filename().string()] = inode_of(entry.path());
  } else if (fs::is_regular_file(fs::symlink_status(path))) {
    object.content = test::read_all(path);
  }
  return object;
}

void add_live(const fs::path& path, std::map<Inode, Object>& live) {
  Object& object = live[inode_of(path)];
  object = live_object(path);
  for (const auto& [name, inode] : object.names) add_live(path / name, live);
}

std::map<Inode, Object> synced_objects(const fs::path& kept) {
  std::map<Inode, Object> synced;
  for (const auto& entry : fs::directory_iterator(kept / "files"))
    synced[std::stoull(entry.path().filename())].content = test::read_all(entry.path());
  for (const auto& entry : fs::directory_iterator(kept / "names")) {
    Object& object = synced[std::stoull(entry.path().filename())];
    object.directory = true;
    std::istringstream lines(test::read_all(entry.path()));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t space = line.find(' ');
      object.names[line.substr(space + 1)] = std::stoull(line.substr(0, space));
    }
  }
  return synced;
}

// SplitMix64: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
std::uint64_t mixed_bits(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

class Disk {
 public:
  Disk(std::map<Inode, Object> synced, std::map<Inode, Object> live, Unsynced unsynced, std::uint64_t seed)
      : synced_(std::move(synced)), live_(std::move(live)), unsynced_(unsynced), seed_(seed) {}

  void write(Inode inode, const fs::path& path) const {
    const Object object = survivor(inode);
    if (!object.directory) return write_all(path, object.content);
    fs::create_directory(path);
    for (const auto& [name, entry] : object.names) write(entry, path / name);
  }

 private:
  // Of an object that was never synced, nothing but what it is.
  Object as_synced(Inode inode) const {
    const auto found = synced_.find(inode);
    if (found != synced_.end()) return found->second;
    const auto live = live_.find(inode);
    return {.directory = live != live_.end() && live->second.directory, .names = {}, .content = {}};
  }

  Object survivor(Inode inode) const {
    Object synced = as_synced(inode);
    const auto live = live_.find(inode);
    if (live == live_.end() || unsynced_ == Unsynced::lost) return synced;
    if (unsynced_ == Unsynced::names_only) return synced.directory ? live->second : synced;
    const std::uint64_t drawn = mixed_bits(seed_ ^ mixed_bits(inode)) % (synced.directory ? 2 : 3);
    if (drawn == 0) return synced;
    Object written = live->second;
    // Of what was written behind the synced bytes, half.
    const std::size_t safe = synced.content.size();
    if (drawn == 2 && written.content.size() > safe)
      written.content.resize(safe + (written.content.size() - safe) / 2);
    return written;
  }

  std::map<Inode, Object> synced_;
  std::map<Inode, Object> live_;
  Unsynced unsynced_;
  std::uint64_t seed_;
};

}  // namespace

Settled::Settled(const fs::path& tree, const fs::path& kept) {
  fs::remove_all(kept);
  fs::create_directories(kept / "files");
  fs::create_directories(kept / "names");
  std::map<Inode, Object> live;
  add_live(tree, live);
  for (const auto& [inode, object] : live) {
    std::string names;
    for (const auto& [name, entry] : object.names) names += std::to_string(entry) + " " + name + "\n";
    write_all(kept / (object.directory ? "names" : "files") / std::to_string(inode),
              object.directory ? names : object.content);
  }
  const auto hold = [&](const fs::path& path) {
    descriptors_.push_back(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (descriptors_.back() < 0) throw std::runtime_error("cannot hold on to " + path.string());
  };
  hold(tree);
  for (const auto& entry : fs::recursive_directory_iterator(tree)) hold(entry.path());
}

Settled::~Settled() {
  for (const int descriptor : descriptors_) close(descriptor);
}

void cut_power(const fs::path& tree, const fs::path& kept, Unsynced unsynced, std::uint64_t seed,
               const fs::path& after) {
  std::map<Inode, Object> live;
  add_live(tree, live);
  Disk(synced_objects(kept), std::move(live), unsynced, seed).write(inode_of(tree), after);
}

}  // namespace nagare::faults
