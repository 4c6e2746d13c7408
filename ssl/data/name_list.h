#pragma once
// A text file of names, one a line: blank lines and what follows a # are passed over, spaces around a name too.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nagare::ssl {

struct ListedName {
  std::string name;
  std::int64_t line;  // from 1, for messages
};

// errors  BadData: the file cannot be read, or has a line of more than 4,096 bytes, which is no name
std::vector<ListedName> read_name_list(const std::filesystem::path& path);

}  // namespace nagare::ssl
