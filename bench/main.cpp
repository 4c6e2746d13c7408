// nagare-bench: every kernel of the suite, and the training step, timed. Google Benchmark's flags, and
//
//   --no_roofline   leaves out the ceilings of the machine (three seconds at the start) and the percentages of them
//
// Without flags of one's own a benchmark runs for 0.1 s. The machine, the ceilings and the versions stand in the
// "context" of the JSON (--benchmark_out=FILE); docs/benchmarks.md reads the figures. Exit code: 0, 1 when it cannot work, 2
// for wrong usage or a filter that matches nothing.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "bench/support/device_bench.h"
#include "bench/support/roofline.h"
#include "engine/device/cuda_runtime.h"
#include "engine/vendor/matrix_product.h"
#include "kernels/parallel.h"

namespace nagare::bench {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string size_name(double bytes) {
  const bool mega = bytes >= 1024.0 * 1024.0;
  return std::to_string(static_cast<long>(bytes / (mega ? 1024.0 * 1024.0 : 1024.0))) +
         (mega ? "MiB" : "KiB");
}

void add_ceilings(Device device) {
  const Roofline& best = roofline(device);
  const std::string prefix = std::string("ceiling_") + to_string(device) + "_";
  for (const MemoryCeiling& m : best.memory) {
    const std::string name = best.memory.size() == 1 ? "memory" : size_name(m.working_set);
    benchmark::AddCustomContext(prefix + name + "_GB/s", number(m.bytes_per_second / 1e9));
  }
  benchmark::AddCustomContext(prefix + "f32_GFLOP/s", number(best.f32_flops / 1e9));
  benchmark::AddCustomContext(prefix + "bf16_GFLOP/s", number(best.bf16_flops / 1e9));
}

void add_context() {
  benchmark::AddCustomContext("nagare", kVersion);
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("matrix_library", vendor::cpu::library_version());
  benchmark::AddCustomContext("cpu", cpu_model());
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  benchmark::AddCustomContext("OMP_WAIT_POLICY", policy == nullptr ? "unset" : policy);
  const bool cuda = available(Device::cuda);
  std::string gpu = kBuiltWithCuda ? "none" : "not built";
  if constexpr (kBuiltWithCuda) {
    if (cuda) gpu = cuda_runtime::describe();
  }
  benchmark::AddCustomContext("gpu", gpu);
  if (!roofline_enabled()) return;
  add_ceilings(Device::cpu);
  if (cuda) add_ceilings(Device::cuda);
}

int run(int count, char** values) {
  std::vector<std::string> words(values, values + count);
  if (std::erase(words, "--no_roofline") > 0) enable_roofline(false);
  const bool list = std::ranges::any_of(words, [](const std::string& w) {
    return w == "--help" || (w.starts_with("--benchmark_list_tests") && !w.ends_with("=false"));
  });
  if (std::ranges::find(words, "--help") != words.end()) {
    std::puts("nagare-bench [--no_roofline] and Google Benchmark's flags:");
  }
  words.insert(words.begin() + 1,
               "--benchmark_min_time=0.1");  // a flag that the user gives comes later and wins
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int left = static_cast<int>(arguments.size());
  benchmark::Initialize(&left, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(left, arguments.data())) return 2;
  if (!list) add_context();
  const std::size_t found = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return found > 0 ? 0 : 2;  // it has said that the filter matches nothing
}

}  // namespace
}  // namespace nagare::bench

int main(int argc, char** argv) {
  try {
    return nagare::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nagare-bench: %s\n", error.what());
    return 1;
  }
}
