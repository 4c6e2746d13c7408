#pragma once
// Runs the `nagare` that lies beside the test program, as a user would, and keeps what it said.
#include <sys/resource.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/sanitizer.h"
#include "tests/support/temporary_directory.h"

namespace nagare::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal when one ended it
  std::string out;
  std::string err;
};

struct Launch {
  std::filesystem::path directory = ".";                // working directory
  std::map<std::string, std::string> environment = {};  // on top of ours
  // Called every few milliseconds while it runs, with its process id and stderr so far.
  std::function<void(pid_t, const std::string&)> meanwhile = {};
};

Outcome run_nagare(const std::vector<std::string>& arguments, const Launch& launch = {});

// A soft limit of this process, which its children inherit, for as long as this lives.
class Limited {
 public:
  Limited(__rlimit_resource resource, rlim_t soft) : resource_(resource) {
    getrlimit(resource, &before_);
    const rlimit lower{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    setrlimit(resource, &lower);
  }
  ~Limited() { setrlimit(resource_, &before_); }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;

 private:
  __rlimit_resource resource_;
  rlimit before_{};
};

// A path inside, as an argument.
std::string operator/(const TemporaryDirectory& directory, const std::string& name);

std::string read_all(const std::filesystem::path& path);
void write_all(const std::filesystem::path& path, const std::string& text);

// A stream and a network small enough for a training run of a second; further arguments come after.
std::vector<std::string> tiny_run(const std::string& out, const std::vector<std::string>& more = {});

}  // namespace nagare::test
