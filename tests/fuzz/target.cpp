#include "tests/fuzz/target.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace nagare::fuzz {
namespace {

constexpr std::string_view kMark = "%% ";

class Scratch {
 public:
  // In memory where that is possible: an input is a few files, and there are many of them.
  Scratch() {
    const std::filesystem::path memory = "/dev/shm";
    const bool usable = ::access(memory.c_str(), W_OK | X_OK) == 0;
    path_ = (usable ? memory : std::filesystem::temp_directory_path()) /
            ("nagare-fuzz-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

const Target* find_target(std::string_view name) {
  const auto found = std::ranges::find(targets(), name, &Target::name);
  return found == targets().end() ? nullptr : &*found;
}

void need(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

std::string_view text_of(Bytes input) { return {reinterpret_cast<const char*>(input.data()), input.size()}; }

const std::filesystem::path& scratch() {
  static const Scratch directory;
  return directory.path();
}

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  need(file.good(), "the scratch directory can be written");
}

std::map<std::string, std::string> split_files(Bytes input) {
  std::map<std::string, std::string> files;
  std::string_view rest = text_of(input);
  while (rest.starts_with(kMark)) {
    rest.remove_prefix(kMark.size());
    const std::size_t line = std::min(rest.find('\n'), rest.size());
    std::string& content = files[std::string(rest.substr(0, line))];
    rest.remove_prefix(std::min(line + 1, rest.size()));
    const std::size_t end = rest.starts_with(kMark) ? 0 : rest.find("\n%% ");
    content = rest.substr(0, end == 0 || end == std::string_view::npos ? end : end + 1);
    rest.remove_prefix(std::min(content.size(), rest.size()));
  }
  return files;
}

std::string join_files(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string input;
  for (const auto& [name, content] : files) {
    input.append(kMark).append(name).append("\n").append(content);
    if (!input.ends_with('\n')) input += '\n';
  }
  return input;
}

}  // namespace nagare::fuzz
