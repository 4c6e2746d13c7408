#include "engine/io/probe.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

std::string reason() { return std::generic_category().message(errno); }

// What errno means of a file that cannot be made in `directory`.
WriteObstacle obstacle_in(const Path& directory) {
  const int error = errno;
  if (error == ENOENT && directory.empty())
    return {.error = error, .text = "the working directory is not there any more"};
  std::string text = printable(directory.string()) + ": ";
  std::error_code failed;
  if (error != ENOENT) {
    errno = error;
    text += reason();
  } else if (std::filesystem::exists(directory, failed)) {
    text += "a file system that takes no new files";  // /proc says "No such file or directory"
  } else {
    text += "a link to something that is not there";
  }
  return {.error = error, .text = std::move(text)};
}

bool is_remote(long type) {
  return type == AFS_SUPER_MAGIC || type == CIFS_SUPER_MAGIC || type == FUSE_SUPER_MAGIC ||
         type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC;
}

}  // namespace

Path nearest_existing(const Path& path) {
  std::error_code error;
  Path at = std::filesystem::absolute(path, error);
  if (error) return {};
  while (at.has_relative_path() && (at.filename() == "." || at.filename().empty())) at = at.parent_path();
  // A dangling link is there, though nothing can be made behind it.
  const auto absent = [&] {
    return std::filesystem::symlink_status(at, error).type() == std::filesystem::file_type::not_found;
  };
  while (absent() && at.has_relative_path()) at = at.parent_path();
  return at;
}

WriteObstacle probe_writing(const Path& directory) {
  const Path nearest = nearest_existing(directory);
  std::string name = (nearest / (std::string(kProbePrefix) + "XXXXXX")).string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return obstacle_in(nearest);
  WriteObstacle obstacle;
  constexpr std::array<char, 4096> kBlock{};
  for (std::size_t done = 0; done < kBlock.size() && obstacle.error == 0;) {
    const ssize_t put = ::write(file, kBlock.data() + done, kBlock.size() - done);
    if (put > 0) done += static_cast<std::size_t>(put);
    if (put == 0) errno = ENOSPC;
    if (put == 0 || (put < 0 && errno != EINTR)) obstacle = obstacle_in(nearest);
  }
  if (obstacle.error == 0 && ::fsync(file) != 0 && errno != EINVAL && errno != EINTR)
    obstacle = obstacle_in(nearest);
  ::close(file);
  if (::unlink(name.c_str()) != 0 && obstacle.error == 0) obstacle = obstacle_in(nearest);
  return obstacle;
}

FileSystem inspect_file_system(const Path& path) {
  struct statfs about {};
  const Path nearest = nearest_existing(path);
  if (::statfs(nearest.c_str(), &about) != 0)
    throw CannotWrite("cannot inspect the file system of " + printable(nearest.string()) + ": " + reason());
  return {
      .free_bytes = static_cast<std::uint64_t>(about.f_bavail) * static_cast<std::uint64_t>(about.f_bsize),
      .free_files = about.f_files == 0 ? std::numeric_limits<std::uint64_t>::max() : about.f_ffree,
      .in_memory = about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC,
      .remote = is_remote(about.f_type)};
}

}  // namespace nagare::io
