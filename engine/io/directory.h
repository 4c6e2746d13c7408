#pragma once
// Listing and removing directories. A signal can break either off where a file system lies behind a network; they are tried again
// then, which std::filesystem does not do.
#include <system_error>
#include <vector>

#include "engine/io/file.h"

namespace nagare::io {

// The paths in a directory, sorted. Empty with an error; std::bad_alloc when it is memory that is missing.
std::vector<Path> list_directory(const Path& directory, std::error_code& error);
// errors  CannotWrite naming the directory and the system's reason
std::vector<Path> list_directory(const Path& directory);

// A file, or a directory with all that is in it; none there is no error.
void remove_tree(const Path& path, std::error_code& error);

}  // namespace nagare::io
