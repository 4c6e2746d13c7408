#include "kernels/emulator/scheduler.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulator/block.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"

namespace nagare::emulator {
namespace {

std::atomic<std::uint64_t> global_seed{0};

void check_launch(const Launch& launch) {
  const dim3 g = launch.grid;
  const dim3 b = launch.block;
  const std::uint64_t threads = std::uint64_t{b.x} * b.y * b.z;
  const bool good = g.x >= 1 && g.x <= 0x7fffffffU && g.y >= 1 && g.y <= 65535 && g.z >= 1 && g.z <= 65535 &&
                    threads >= 1 && threads <= 1024 && b.z <= 64 && launch.shared_bytes <= kSharedLimit;
  if (!good) {
    throw KernelFault(
        std::string(launch.name) + ": grid " + text_of(g.x, g.y, g.z) + ", block " + text_of(b.x, b.y, b.z) +
        ", " + std::to_string(launch.shared_bytes) +
        " shared bytes: need grid from (1, 1, 1) to (2147483647, 65535, 65535), 1 to 1024 threads with "
        "z <= 64, and at most " +
        std::to_string(kSharedLimit) + " shared bytes");
  }
}

struct Record {
  std::mutex mutex;
  std::set<std::string> lines;
};

Record& record() {
  static Record launches;
  return launches;
}

void note(const Launch& launch) {
  // Where the program was loaded is of no interest; the kernel's place in its file is what `nm` lists.
  Dl_info program{};
  dladdr(launch.kernel, &program);
  char line[256];
  std::snprintf(line, sizeof line, "%s\t%zx\t%u\t%zu\n", launch.name,
                static_cast<std::size_t>(static_cast<const char*>(launch.kernel) -
                                         static_cast<const char*>(program.dli_fbase)),
                launch.block.x * launch.block.y * launch.block.z, launch.shared_bytes);
  const std::lock_guard lock(record().mutex);
  record().lines.insert(line);
}

#if defined(__SANITIZE_ADDRESS__)
void print_position(const char*) {
  std::fprintf(stderr, "in emulated kernel %s\n", BlockRunner::here().position().c_str());
}
#endif

}  // namespace

void set_seed(std::uint64_t seed) { global_seed = seed; }
std::uint64_t seed() { return global_seed; }

std::string launches_text() {
  const std::lock_guard lock(record().mutex);
  std::string text;
  for (const std::string& line : record().lines) text += line;
  return text;
}

std::string text_of(unsigned x, unsigned y, unsigned z) {
  return std::string("(") + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string text_of(const std::source_location& where) {
  const std::string file = where.file_name();
  return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(where.line());
}

void draw_order(std::vector<unsigned>& order, std::size_t n, std::uint32_t step, std::uint32_t sample) {
  const std::uint64_t seed = global_seed;
  order.resize(n);
  std::iota(order.begin(), order.end(), 0U);
  if (seed == 1) std::reverse(order.begin(), order.end());
  if (seed < 2) return;
  Philox random({.seed = seed, .purpose = Purpose::synthetic, .step = step, .sample = sample});
  for (std::size_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
}

void run_grid(const Launch& launch, void (*body)(const void*), const void* context) {
  check_launch(launch);
  note(launch);
#if defined(__SANITIZE_ADDRESS__)
  __asan_set_error_report_callback(&print_position);
#endif
  std::vector<unsigned> order;
  draw_order(order, std::size_t{launch.grid.x} * launch.grid.y * launch.grid.z, 0, 0xFFFFFFFFU);
  std::mutex mutex;
  std::exception_ptr fault;
  std::atomic<bool> failed{false};
  std::atomic<bool> dynamic_named{false};
  parallel_for(static_cast<std::int64_t>(order.size()), [&](std::int64_t i) {
    if (failed) return;
    try {
      BlockRunner& runner = BlockRunner::here();
      runner.run(launch, order[static_cast<std::size_t>(i)], body, context);
      if (runner.take_dynamic_named()) dynamic_named = true;
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) fault = std::current_exception();
    }
  });
  if (fault) std::rethrow_exception(fault);
  if (launch.shared_bytes > 0 && !dynamic_named) {
    throw KernelFault(std::string(launch.name) + ": launched with " + std::to_string(launch.shared_bytes) +
                      " bytes of dynamic shared memory, which no thread of the grid asks for");
  }
}

int block_barrier(const char* operation, bool predicate, const std::source_location& where) {
  return BlockRunner::here().barrier(operation, predicate, where);
}

std::uint64_t warp_operation(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                             const std::source_location& where) {
  return BlockRunner::here().warp(operation, mask, input, resolve, where);
}

void* shared_array(const void* site, const char* name, std::size_t bytes) {
  return BlockRunner::here().shared(site, name, bytes);
}

void* dynamic_shared_memory() { return BlockRunner::here().dynamic_shared(); }

void fault(const std::string& text) { BlockRunner::here().fault(text); }

}  // namespace nagare::emulator
