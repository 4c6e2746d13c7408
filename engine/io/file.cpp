#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

// Linux refuses to move more in one call.
constexpr std::size_t kMostPerCall = std::size_t{1} << 30;

std::string reason() { return std::generic_category().message(errno); }

template <class Error>
[[noreturn]] void fail(const char* what, const Path& path) {
  throw Error("cannot " + std::string(what) + " " + printable(path.string()) + ": " + reason());
}

// The call again for as long as a signal breaks it off.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// A descriptor that closes itself: for reading, where close() has nothing to report.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

int open_to_read(const Path& path) {
  // O_NONBLOCK: a named pipe would wait for a writer.
  const int descriptor =
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  if (descriptor < 0) fail<BadData>("open", path);
  return descriptor;
}

std::uint64_t size_of_file(int descriptor, const Path& path) {
  struct stat about {};
  if (::fstat(descriptor, &about) != 0) fail<BadData>("inspect", path);
  if (!S_ISREG(about.st_mode))
    throw BadData("cannot read " + printable(path.string()) + ": not a regular file");
  return static_cast<std::uint64_t>(about.st_size);
}

// A file with a hole can claim any size for nothing.
std::uint64_t memory_of_machine() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// That so many bytes of the file may be held in memory.
void check_amount(std::uint64_t size, std::uint64_t max_bytes, const Path& path) {
  if (size > max_bytes) {
    throw BadData("cannot read " + printable(path.string()) + ": " + std::to_string(size) +
                  " bytes, at most " + std::to_string(max_bytes) + " expected");
  }
  if (size > memory_of_machine()) {
    throw OutOfMemory("cannot read " + printable(path.string()) + ": " + std::to_string(size) +
                      " bytes, the machine has " + std::to_string(memory_of_machine()) + " bytes of memory");
  }
}

template <class Container>
Container read_part(const InputFile& file, const ByteRange& range) {
  Container content(static_cast<std::size_t>(range.size), typename Container::value_type{});
  file.read(range.offset, std::as_writable_bytes(std::span(content)));
  return content;
}

template <class Container>
Container read_whole(const Path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  check_amount(file.size(), max_bytes, path);
  return read_part<Container>(file, {.offset = 0, .size = file.size()});
}

void write_all(int descriptor, const void* data, std::size_t bytes, const Path& path) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t put =
        uninterrupted([&] { return ::write(descriptor, from, std::min(bytes, kMostPerCall)); });
    if (put < 0) fail<CannotWrite>("write", path);
    from += put;
    bytes -= static_cast<std::size_t>(put);
  }
}

}  // namespace

InputFile::InputFile(const Path& path) : path_(path), descriptor_(open_to_read(path)) {
  try {
    size_ = size_of_file(descriptor_, path_);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t got = uninterrupted([&] {
      return ::pread(descriptor_, bytes.data() + done, std::min(bytes.size() - done, kMostPerCall),
                     static_cast<off_t>(offset + done));
    });
    if (got < 0) fail<BadData>("read", path_);
    if (got == 0)
      throw BadData("cannot read " + printable(path_.string()) + ": it became shorter while being read");
    done += static_cast<std::size_t>(got);
  }
}

std::vector<std::byte> read_file(const Path& path, std::uint64_t max_bytes) {
  return read_whole<std::vector<std::byte>>(path, max_bytes);
}

std::string read_text(const Path& path, std::uint64_t max_bytes) {
  return read_whole<std::string>(path, max_bytes);
}

std::vector<std::byte> read_range(const Path& path, const ByteRange& range, std::uint64_t max_bytes) {
  check_amount(range.size, max_bytes, path);
  return read_part<std::vector<std::byte>>(InputFile(path), range);
}

void read_pieces(const Path& path, const std::function<void(std::span<const std::byte>)>& take) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const Descriptor file(open_to_read(path));
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPiece, size_of_file(file.number(), path) + 1));
  for (off_t at = 0;;) {
    const ssize_t got = uninterrupted([&] { return ::pread(file.number(), piece.data(), piece.size(), at); });
    if (got < 0) fail<BadData>("read", path);
    if (got == 0) return;
    take(std::span(piece).first(static_cast<std::size_t>(got)));
    at += got;
  }
}

MappedFile map_file(const Path& path) {
  const Descriptor file(open_to_read(path));
  const auto size = static_cast<std::size_t>(size_of_file(file.number(), path));
  if (size == 0) return {std::make_shared<const std::byte>(), 0};
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (address == MAP_FAILED) fail<BadData>("map", path);
  const auto unmap = [size](const std::byte* pages) { ::munmap(const_cast<std::byte*>(pages), size); };
  return {std::shared_ptr<const std::byte>(static_cast<const std::byte*>(address), unmap), size};
}

AtomicFile::AtomicFile(const Path& path) : path_(path), temporary_(path) {
  static std::atomic<unsigned> count{0};
  temporary_ += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  descriptor_ = uninterrupted([&] { return ::open(temporary_.c_str(), kNew, 0666); });
  if (descriptor_ < 0) fail<CannotWrite>("create", path_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) { write_all(descriptor_, data, bytes, path_); }

void AtomicFile::commit() {
  if (uninterrupted([&] { return ::fsync(descriptor_); }) != 0) fail<CannotWrite>("sync", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail<CannotWrite>("create", path_);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  // Linux has closed it, interrupted or not; what was synced before cannot be lost by that.
  if (closed != 0 && errno != EINTR) fail<CannotWrite>("close", path_);
  sync_directory(path_.parent_path());
}

void sync_directory(const Path& directory) {
  const char* const name = directory.empty() ? "." : directory.c_str();
  const int descriptor = uninterrupted([&] { return ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) fail<CannotWrite>("open the directory", directory);
  const Descriptor closer(descriptor);
  // EINVAL: a file system without directory sync, where the rename alone must do.
  if (uninterrupted([&] { return ::fsync(descriptor); }) != 0 && errno != EINVAL)
    fail<CannotWrite>("sync the directory", directory);
}

void sync_name(const Path& directory) {
  const Path parent = std::filesystem::absolute(directory / "").parent_path().parent_path();
  if (::faccessat(AT_FDCWD, parent.c_str(), R_OK, AT_EACCESS) == 0) return sync_directory(parent);
  const int descriptor =
      uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) fail<CannotWrite>("open the directory", directory);
  const Descriptor closer(descriptor);
  if (uninterrupted([&] { return ::syncfs(descriptor); }) != 0)
    fail<CannotWrite>("sync the file system of", directory);
}

NewFile::NewFile(const Path& path) : path_(path) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  descriptor_ = uninterrupted([&] { return ::open(path.c_str(), kNew, 0666); });
  if (descriptor_ < 0) fail<CannotWrite>("create", path_);
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void NewFile::write(const void* data, std::size_t bytes) { write_all(descriptor_, data, bytes, path_); }

void NewFile::commit() {
  if (uninterrupted([&] { return ::fsync(descriptor_); }) != 0) fail<CannotWrite>("sync", path_);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) fail<CannotWrite>("close", path_);
}

void rename_directory(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const bool taken = errno == EEXIST || errno == ENOTEMPTY;
    if (!taken || ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0)
      fail<CannotWrite>("rename to", to);
  }
  sync_directory(to.parent_path());
}

std::uint64_t free_space(const Path& path) {
  struct statvfs about {};
  if (uninterrupted([&] { return ::statvfs(path.c_str(), &about); }) != 0)
    fail<CannotWrite>("inspect the file system of", path);
  return static_cast<std::uint64_t>(about.f_bavail) * about.f_frsize;
}

void write_file(const Path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

AppendFile::AppendFile(const Path& path)
    : path_(path), descriptor_(uninterrupted([&] {
        return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
      })) {
  if (descriptor_ < 0) fail<CannotWrite>("open", path_);
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::string_view text) { write_all(descriptor_, text.data(), text.size(), path_); }

void AppendFile::sync() const {
  // EINVAL: a pipe or a device in the file's place.
  if (uninterrupted([&] { return ::fdatasync(descriptor_); }) != 0 && errno != EINVAL)
    fail<CannotWrite>("sync", path_);
}

std::uint64_t AppendFile::size() const {
  struct stat about {};
  if (::fstat(descriptor_, &about) != 0) fail<CannotWrite>("inspect", path_);
  return static_cast<std::uint64_t>(about.st_size);
}

void AppendFile::truncate(std::uint64_t bytes) {
  if (uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(bytes)); }) != 0)
    fail<CannotWrite>("shorten", path_);
}

bool exists(const Path& path) {
  std::error_code error;
  const bool found = std::filesystem::exists(path, error);
  if (error) throw BadData("cannot look for " + printable(path.string()) + ": " + error.message());
  return found;
}

void make_directories(const Path& path) {
  std::error_code error;
  const Path whole = std::filesystem::absolute(path, error);
  std::vector<Path> missing;
  for (Path at = whole; !error && at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::exists(at, error) || error) break;
    if (at.has_filename()) missing.push_back(at);
  }
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path, error))
    error = std::make_error_code(std::errc::not_a_directory);
  if (error)
    throw CannotWrite("cannot create the directory " + printable(path.string()) + ": " + error.message());
  for (const Path& made : missing) sync_name(made);
}

}  // namespace nagare::io
