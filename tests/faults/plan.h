#pragma once
// What the interposed library (interpose.cpp) and the program that drives it (sweep.cpp) tell each other: one page of
// a file that both map, so that it outlives a process that is killed.
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nagare::faults {

// The environment variable that names the file.
inline constexpr char kPlanVariable[] = "FAULT_PLAN_FILE";

// Which calls are counted, from the first of main() on; bits.
enum Family : std::uint32_t {
  kReading = 1,  // open to read, read, pread, mmap of a file
  kWriting =
      2,  // open to write, write, pwrite, fsync, fdatasync, close, rename, mkdir, ftruncate, unlink, rmdir
  kMemory = 4,   // malloc, calloc, realloc, aligned_alloc, posix_memalign, anonymous mmap, from min_bytes on
  kThreads = 8,  // pthread_create
};

// Beside errno's numbers.
inline constexpr std::int32_t kShort = -1;  // read and write move half of what was asked for
inline constexpr std::int32_t kKill = -2;   // SIGKILL in place of the call

struct Plan {
  // By the driver, before the process starts.
  std::uint32_t families = 0;
  std::int32_t error = 0;          // only calls that can fail so are counted
  std::uint64_t at = 0;            // which call of those fails, from 1 on; 0: none, they are only counted
  std::uint32_t from_then_on = 0;  // every later one fails too
  std::uint64_t min_bytes = 0;
  char kept[256] = {};  // where synced.h keeps what survives a power cut; "": nowhere
  // By the library.
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint32_t> fired{0};
  char call[512] = {};  // what failed: its name and file, or its size
};

static_assert(sizeof(Plan) <= 4096 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace nagare::faults
