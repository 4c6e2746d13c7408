#pragma once
// Fuzz targets: one reader of outside bytes each, run by libFuzzer (scripts/fuzz) and, over the same inputs, by an
// ordinary test. docs/fuzzing.md says how to add one.
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nagare::fuzz {

using Bytes = std::span<const std::uint8_t>;
using Seeds = std::vector<std::string>;

struct Target {
  std::string_view name;
  // Returns for every input. Whatever else happens is a finding: an exception that the reader's contract does not name, a
  // broken promise (need() below), a sanitizer's report, more than a second, more than 512 MiB in one allocation.
  void (*run)(Bytes input);
  Seeds (*seeds)();      // small inputs that are good, or bad in an interesting way; the same ones every time
  int mutations = 1000;  // of each input, where the targets are an ordinary test
};

// Sorted by name.
std::span<const Target> targets();
const Target* find_target(std::string_view name);

// Ends the program with `what` when a promise is broken.
void need(bool good, const char* what);

// Runs `read`; true when it threw one of Refusals, which are the good ends of a bad input.
template <class... Refusals, class Read>
bool refused(const Read& read) {
  const auto attempt = [&read]<class First, class... Rest>(const auto& self, First*, Rest*... rest) {
    try {
      if constexpr (sizeof...(Rest) == 0) {
        read();
        return false;
      } else {
        return self(self, rest...);
      }
    } catch (const First&) {
      return true;
    }
  };
  return attempt(attempt, static_cast<Refusals*>(nullptr)...);
}

std::string_view text_of(Bytes input);

// A directory of this process, removed at its end.
const std::filesystem::path& scratch();
void write(const std::filesystem::path& path, std::string_view content);

// An input that stands for several files: "%% NAME" on a line of its own begins each.
std::map<std::string, std::string> split_files(Bytes input);
std::string join_files(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace nagare::fuzz
