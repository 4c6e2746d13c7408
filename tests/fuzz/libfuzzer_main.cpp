// What libFuzzer calls. NAGARE_FUZZ_TARGET names the target; --seeds DIR writes its seeds and ends, --list names all.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>

#include "tests/fuzz/target.h"

namespace {

const nagare::fuzz::Target* target = nullptr;

void write_seeds(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  int number = 0;
  for (const std::string& seed : target->seeds()) {
    nagare::fuzz::write(directory / ("seed-" + std::to_string(number++)), seed);
  }
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const std::string first = *argc > 1 ? (*argv)[1] : "";
  if (first == "--list") {
    for (const auto& known : nagare::fuzz::targets())
      std::printf("%.*s\n", static_cast<int>(known.name.size()), known.name.data());
    std::exit(0);
  }
  const char* name = std::getenv("NAGARE_FUZZ_TARGET");
  target = name == nullptr ? nullptr : nagare::fuzz::find_target(name);
  if (target == nullptr) {
    std::fputs("NAGARE_FUZZ_TARGET must name a target, see --list\n", stderr);
    std::exit(2);
  }
  if (first == "--seeds" && *argc > 2) {
    write_seeds((*argv)[2]);
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // By CPU time: libFuzzer's own -timeout is by the clock, which a busy machine runs out of without a fault.
  const double begin = cpu_seconds();
  target->run({data, size});
  nagare::fuzz::need(cpu_seconds() - begin <= 1.0, "an input took more than a second");
  return 0;
}
