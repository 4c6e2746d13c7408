// main() of the test programs whose CUDA twins are emulated: GoogleTest, and --emulator_seed=N for the order in which
// threads run (see kernels/emulator/scheduler.h).
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "kernels/emulator/scheduler.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  constexpr std::string_view kFlag = "--emulator_seed=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    std::uint64_t seed = 0;
    const char* end = argument.data() + argument.size();
    if (!argument.starts_with(kFlag) ||
        std::from_chars(argument.data() + kFlag.size(), end, seed).ptr != end) {
      std::fprintf(stderr, "unknown argument %s: need --emulator_seed=NUMBER or GoogleTest's\n", argv[i]);
      return 2;
    }
    nagare::emulator::set_seed(seed);
  }
  return RUN_ALL_TESTS();
}
