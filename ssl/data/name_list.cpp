#include "ssl/data/name_list.h"

#include <sstream>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"

namespace nagare::ssl {

std::vector<ListedName> read_name_list(const std::filesystem::path& path) {
  constexpr char kSpace[] = " \t\r";
  constexpr std::size_t kLongestLine = 4096;
  std::vector<ListedName> names;
  std::istringstream lines(io::read_text(path));
  std::int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.size() > kLongestLine) {
      throw BadData(printable(path.string()) + ", line " + std::to_string(number) + ": " +
                    std::to_string(line.size()) + " bytes, at most " + std::to_string(kLongestLine) +
                    " are read");
    }
    line = line.substr(0, line.find('#'));
    const std::size_t first = line.find_first_not_of(kSpace);
    if (first == std::string::npos) continue;
    names.push_back({.name = line.substr(first, line.find_last_not_of(kSpace) - first + 1), .line = number});
  }
  return names;
}

}  // namespace nagare::ssl
