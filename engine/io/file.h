#pragma once
// Every file that nagare reads or writes goes through here, so that faults can be injected in one place.
//
// errors  BadData when reading fails, CannotWrite when writing fails; both name the path and the system's reason.
//         A short read or write and EINTR are handled inside.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nagare::io {

using Path = std::filesystem::path;

// The whole file in memory of our own: unlike a mapping, it cannot change under the reader's feet.
// BadData too when it is larger than max_bytes; OutOfMemory when it is larger than the machine's memory.
std::vector<std::byte> read_file(const Path& path, std::uint64_t max_bytes = std::uint64_t{1} << 40);
std::string read_text(const Path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);
// The whole file in order, in pieces of at most a mebibyte: a large file in little memory.
void read_pieces(const Path& path, const std::function<void(std::span<const std::byte>)>& take);

// A regular file, open to be read at any place.
class InputFile {
 public:
  explicit InputFile(const Path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // When it was opened.
  std::uint64_t size() const { return size_; }
  // All of `bytes`, from `offset` on. BadData too where the file ends before them.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  Path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Part of a file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
// Errors as of read_file(); BadData too where the file ends before the range does.
std::vector<std::byte> read_range(const Path& path, const ByteRange& range,
                                  std::uint64_t max_bytes = std::uint64_t{1} << 40);

// Pages of the file, read-only (a write is a crash), for as long as `data` lives. For files of our own making
// and big data sets: a file that somebody truncates meanwhile raises SIGBUS.
struct MappedFile {
  std::shared_ptr<const std::byte> data;
  std::size_t size = 0;

  std::span<const std::byte> bytes() const { return {data.get(), size}; }
};
MappedFile map_file(const Path& path);

// Writes beside `path` and takes its name only in commit(): a reader sees the old file or the whole new one,
// and after commit() the new one survives a power cut (fsync of the file, rename, fsync of the directory).
// Without commit() the temporary file is removed. A failed fsync is final: the file is given up, not synced again.
class AtomicFile {
 public:
  explicit AtomicFile(const Path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  Path path_;
  Path temporary_;
  int descriptor_ = -1;
};

void write_file(const Path& path, std::string_view content);

// A file that was not there before: never over another, never through a link (O_EXCL, O_NOFOLLOW). For directories that
// take their name when all their files are complete.
class NewFile {
 public:
  explicit NewFile(const Path& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // fsync and close: the content survives a power cut. A failure is final: the file is worth nothing.
  void commit();

 private:
  Path path_;
  int descriptor_ = -1;
};

// Names in the directory survive a power cut.
void sync_directory(const Path& directory);
// The directory's own name survives a power cut. Where its parent may be written but not read, the whole file system is
// synced: nothing less can be.
void sync_name(const Path& directory);
// Gives `from` the name `to` in one step and syncs the directory of `to`. Where `to` is a directory that is there
// already, the two change places.
void rename_directory(const Path& from, const Path& to);
// In bytes, for this user, where `path` lies.
std::uint64_t free_space(const Path& path);

// A log that grows: each append() reaches the system in one piece, at the end of the file whoever else writes there.
class AppendFile {
 public:
  // Created when absent.
  explicit AppendFile(const Path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view text);
  // What was appended until now survives a power cut. May be called while another thread appends.
  void sync() const;
  // Of the whole file, now.
  std::uint64_t size() const;
  // Cuts the file to so many bytes.
  void truncate(std::uint64_t bytes);

 private:
  Path path_;
  int descriptor_ = -1;
};

// Reading that fails for another reason than absence (permission) throws BadData.
bool exists(const Path& path);
// With all parents; one that is there already is fine, a file in its place is not. The new names survive a power cut.
void make_directories(const Path& path);

}  // namespace nagare::io
