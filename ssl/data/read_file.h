#pragma once
// Input files of data sets, whole.
#include <string>

namespace nagare::ssl {

// errors  BadData naming the path and the system's reason; a directory, a device or a pipe is refused
std::string read_file(const std::string& path);

}  // namespace nagare::ssl
