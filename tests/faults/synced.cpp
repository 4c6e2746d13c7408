#include "tests/faults/synced.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace nagare::faults {
namespace {

constexpr int kOutOfTheWay = 256;  // descriptors from here on hold what was synced

// Text on the stack: the allocator may be one of the things that fail.
class Text {
 public:
  Text& operator+=(const char* text) {
    for (; *text != '\0' && length_ + 1 < sizeof bytes_; ++text) bytes_[length_++] = *text;
    bytes_[length_] = '\0';
    return *this;
  }
  Text& operator+=(std::uint64_t number) {
    char digits[24] = {};
    char* at = digits + sizeof digits - 1;
    do *--at = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    return *this += at;
  }
  const char* text() const { return bytes_; }
  std::size_t length() const { return length_; }

 private:
  char bytes_[1024] = {};
  std::size_t length_ = 0;
};

int open_raw(const char* path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600));
}

bool write_raw(int to, const char* data, long bytes) {
  while (bytes > 0) {
    const long put = syscall(SYS_write, to, data, bytes);
    if (put <= 0) return false;
    data += put;
    bytes -= put;
  }
  return true;
}

bool copy_content(int from, int to) {
  char piece[16384];
  for (off_t at = 0;;) {
    const long got = syscall(SYS_pread64, from, piece, sizeof piece, at);
    if (got <= 0) return got == 0;
    if (!write_raw(to, piece, got)) return false;
    at += got;
  }
}

// As the kernel lays it out.
struct Entry {
  std::uint64_t inode;
  std::int64_t next;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};

bool copy_names(int from, int to) {
  alignas(Entry) char piece[16384];
  for (;;) {
    const long got = syscall(SYS_getdents64, from, piece, sizeof piece);
    if (got <= 0) return got == 0;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Entry*>(piece + at);
      at += entry->length;
      if (std::strcmp(entry->name, ".") == 0 || std::strcmp(entry->name, "..") == 0) continue;
      Text line;
      line += entry->inode;
      line += " ";
      line += entry->name;
      line += "\n";
      if (!write_raw(to, line.text(), static_cast<long>(line.length()))) return false;
    }
  }
}

// Another description of what the descriptor stands for, which may have been opened to write only.
int open_again(int descriptor, bool directory) {
  Text path;
  path += "/proc/self/fd/";
  path += static_cast<std::uint64_t>(descriptor);
  return open_raw(path.text(), O_RDONLY | (directory ? O_DIRECTORY : 0));
}

}  // namespace

int sync_and_keep(const char* kept, int descriptor, long sync_call) {
  static std::atomic<std::uint64_t> count{0};
  struct stat about {};
  if (fstat(descriptor, &about) != 0) return -1;
  const bool directory = S_ISDIR(about.st_mode);
  Text path;
  path += kept;
  path += directory ? "/names/" : "/files/";
  path += about.st_ino;
  Text beside;
  beside += kept;
  beside += "/";
  beside += ++count;
  const int from = open_again(descriptor, directory);
  const int to = open_raw(beside.text(), O_WRONLY | O_CREAT | O_TRUNC);
  const bool copied = from >= 0 && to >= 0 && (directory ? copy_names(from, to) : copy_content(from, to));
  syscall(SYS_fcntl, from, F_DUPFD_CLOEXEC, kOutOfTheWay);  // never closed: holds the number
  syscall(SYS_close, from);
  syscall(SYS_close, to);
  // What is copied before the call is what the call promises.
  const auto synced = static_cast<int>(syscall(sync_call, descriptor));
  if (synced == 0 && copied) syscall(SYS_rename, beside.text(), path.text());
  return synced;
}

}  // namespace nagare::faults
