#pragma once
// A shared library that is looked for when it is first needed, and then stays open until the process ends.
#include <string>
#include <vector>

namespace nagare::vendor {

class DynamicLibrary {
 public:
  // Looks for each of `sonames` in turn: among the libraries that are open already and where the loader looks (its
  // cache, LD_LIBRARY_PATH), then in each of `folders`. Never throws: see problem().
  DynamicLibrary(const std::vector<std::string>& sonames, const std::vector<std::string>& folders);

  bool open() const { return handle_ != nullptr; }
  // nullptr when the library is absent or has no such symbol.
  void* symbol(const char* name) const;
  // The file it was opened from; "" when absent.
  const std::string& path() const { return path_; }
  // What the loader was asked for, in order.
  const std::vector<std::string>& tried() const { return tried_; }
  // "" or what the loader said about the most telling attempt: a file that exists but does not load, else the first.
  const std::string& problem() const { return problem_; }

 private:
  void* handle_ = nullptr;
  std::string path_;
  std::string problem_;
  std::vector<std::string> tried_;
};

}  // namespace nagare::vendor
