#include "engine/io/directory.h"

#include <algorithm>
#include <filesystem>
#include <new>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

bool was_interrupted(const std::error_code& error) { return error == std::errc::interrupted; }

}  // namespace

std::vector<Path> list_directory(const Path& directory, std::error_code& error) {
  std::vector<Path> paths;
  do {
    paths.clear();
    std::filesystem::directory_iterator at(directory, error);
    for (; !error && at != std::filesystem::directory_iterator(); at.increment(error))
      paths.push_back(at->path());
  } while (was_interrupted(error));
  if (error == std::errc::not_enough_memory) throw std::bad_alloc();  // not the directory's fault
  if (error) return {};
  std::ranges::sort(paths);
  return paths;
}

std::vector<Path> list_directory(const Path& directory) {
  std::error_code error;
  std::vector<Path> paths = list_directory(directory, error);
  if (error) throw CannotWrite("cannot list " + printable(directory.string()) + ": " + error.message());
  return paths;
}

void remove_tree(const Path& path, std::error_code& error) {
  do {
    std::filesystem::remove_all(path, error);
  } while (was_interrupted(error));
}

}  // namespace nagare::io
