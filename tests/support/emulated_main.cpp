// main() of the test programs whose CUDA twins are emulated: GoogleTest, and
//
//   --emulator_seed=N       the order in which threads run (see kernels/emulator/scheduler.h)
//   --launches=FILE         writes which kernels were launched with which blocks, for scripts/kernel-report
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "kernels/emulator/scheduler.h"

namespace {

// The value of `--name=value`, or empty.
std::string_view value_of(std::string_view argument, std::string_view name) {
  return argument.starts_with(name) ? argument.substr(name.size()) : std::string_view();
}

bool parse_seed(std::string_view text, std::uint64_t& seed) {
  const char* end = text.data() + text.size();
  return !text.empty() && std::from_chars(text.data(), end, seed).ptr == end;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string launches;
  for (int i = 1; i < argc; ++i) {
    std::uint64_t seed = 0;
    if (const std::string_view file = value_of(argv[i], "--launches="); !file.empty()) {
      launches = file;
    } else if (parse_seed(value_of(argv[i], "--emulator_seed="), seed)) {
      nagare::emulator::set_seed(seed);
    } else {
      std::fprintf(stderr,
                   "unknown argument %s: need --emulator_seed=NUMBER, --launches=FILE or GoogleTest's\n",
                   argv[i]);
      return 2;
    }
  }
  const int status = RUN_ALL_TESTS();
  if (!launches.empty() && !(std::ofstream(launches) << nagare::emulator::launches_text())) {
    std::fprintf(stderr, "cannot write %s\n", launches.c_str());
    return 2;
  }
  return status;
}
