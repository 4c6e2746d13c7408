// A library for LD_PRELOAD that makes the k-th call of a family fail, as the plan says (plan.h). Every call that is let
// through goes to the kernel or to glibc's allocator itself, so nothing here can recurse.
//
// glibc's own files (stdio) do not come by here; nor do the libraries that the loader opens. What runs before main()
// is not counted: nobody could report its failure.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/faults/plan.h"
#include "tests/faults/synced.h"

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace {

using nagare::faults::Plan;

// How a call can fail.
enum Ways : unsigned {
  kPlain = 0,
  kInterruptible = 1,  // EINTR
  kPartial = 2,        // with fewer bytes
  kGrowing = 4,        // ENOSPC
};

Plan* plan = nullptr;  // set when main() begins

struct Call {
  const char* name;
  std::uint32_t family;
  unsigned ways;
};

bool can_fail_so(const Call& call, std::int32_t error) {
  if (error == EINTR) return (call.ways & kInterruptible) != 0;
  if (error == nagare::faults::kShort) return (call.ways & kPartial) != 0;
  if (error == ENOSPC) return (call.ways & kGrowing) != 0;
  return true;
}

void record(const char* name, const char* what) {
  if (plan->fired.exchange(1) != 0) return;
  std::size_t at = 0;
  for (const char* text : {name, " ", what}) {
    for (; *text != '\0' && at + 1 < sizeof plan->call; ++text) plan->call[at++] = *text;
  }
  plan->call[at] = '\0';
}

// Counts the call; true when it shall fail, errno set.
bool fails(const Call& call, const char* what) {
  if (plan == nullptr || (plan->families & call.family) == 0 || !can_fail_so(call, plan->error)) return false;
  const std::uint64_t number = ++plan->calls;
  if (plan->at == 0 || number < plan->at || (number > plan->at && plan->from_then_on == 0)) return false;
  record(call.name, what);
  if (plan->error == nagare::faults::kKill) syscall(SYS_kill, getpid(), SIGKILL);
  errno = plan->error > 0 ? plan->error : EIO;
  return true;
}

bool fails(const Call& call, int descriptor) {
  if (plan == nullptr || (plan->families & call.family) == 0) return false;
  char link[40];
  char file[256] = "?";
  char* to = link;
  for (const char* text = "/proc/self/fd/"; *text != '\0';) *to++ = *text++;
  for (int divisor = 10000; divisor > 0; divisor /= 10) {
    if (descriptor >= divisor || divisor == 1) *to++ = static_cast<char>('0' + descriptor / divisor % 10);
  }
  *to = '\0';
  const long length = syscall(SYS_readlink, link, file, sizeof file - 1);
  if (length > 0) file[length] = '\0';
  return fails(call, file);
}

bool short_wanted() { return plan->error == nagare::faults::kShort; }

bool memory_fails(const char* name, std::size_t bytes) {
  if (plan == nullptr || (plan->families & nagare::faults::kMemory) == 0 || bytes < plan->min_bytes)
    return false;
  char size[24];
  char* at = size + sizeof size;
  *--at = '\0';
  std::size_t rest = bytes;
  do *--at = static_cast<char>('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (!fails(Call{name, nagare::faults::kMemory, kPlain}, at)) return false;
  errno = ENOMEM;
  return true;
}

// Standard streams are not of interest: glibc writes them elsewhere too.
bool is_file(int descriptor) { return descriptor > STDERR_FILENO; }

bool is_writable(int descriptor) {
  const long flags = syscall(SYS_fcntl, descriptor, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

int open_file(int directory, const char* path, int flags, mode_t mode) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  const Call call = {"open", writes ? nagare::faults::kWriting : nagare::faults::kReading,
                     kInterruptible | ((flags & O_CREAT) != 0 ? kGrowing : kPlain)};
  if (fails(call, path)) return -1;
  return static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
}

mode_t mode_of(int flags, va_list rest) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : mode_t{0};
}

ssize_t move_bytes(const Call& call, long number, int descriptor, void* data, std::size_t bytes,
                   off_t offset) {
  if (is_file(descriptor) && bytes > 1 && fails(call, descriptor)) {
    if (!short_wanted()) return -1;
    bytes /= 2;
  }
  return syscall(number, descriptor, data, bytes, offset);
}

bool plain_fails(const char* name, const char* path, unsigned ways) {
  return fails(Call{name, nagare::faults::kWriting, ways}, path);
}

int sync(const char* name, long call, int descriptor) {
  if (fails({name, nagare::faults::kWriting, kInterruptible | kGrowing}, descriptor)) return -1;
  if (plan != nullptr && plan->kept[0] != '\0')
    return nagare::faults::sync_and_keep(plan->kept, descriptor, call);
  return static_cast<int>(syscall(call, descriptor));
}

void read_plan() {
  const char* path = std::getenv(nagare::faults::kPlanVariable);
  if (path == nullptr) return;
  const long file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (file < 0) return;
  const long address = syscall(SYS_mmap, nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
  syscall(SYS_close, file);
  if (address > 0) plan = reinterpret_cast<Plan*>(address);
}

using Main = int (*)(int, char**, char**);
Main program_main = nullptr;

int counted_main(int argc, char** argv, char** environment) {
  read_plan();
  return program_main(argc, argv, environment);
}

}  // namespace

#define NAGARE_EXPORT extern "C" __attribute__((visibility("default")))

NAGARE_EXPORT int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                    void (*loader_fini)(), void* stack_end) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  program_main = main;
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(counted_main, argc, argv, init, fini, loader_fini, stack_end);
}

NAGARE_EXPORT int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(AT_FDCWD, path, flags, mode);
}

NAGARE_EXPORT int openat(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(directory, path, flags, mode);
}

NAGARE_EXPORT int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(AT_FDCWD, path, flags, mode);
}

NAGARE_EXPORT int openat64(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(directory, path, flags, mode);
}

NAGARE_EXPORT ssize_t read(int descriptor, void* data, std::size_t bytes) {
  return move_bytes({"read", nagare::faults::kReading, kInterruptible | kPartial}, SYS_read, descriptor, data,
                    bytes, 0);
}

NAGARE_EXPORT ssize_t pread(int descriptor, void* data, std::size_t bytes, off_t offset) {
  return move_bytes({"pread", nagare::faults::kReading, kInterruptible | kPartial}, SYS_pread64, descriptor,
                    data, bytes, offset);
}

NAGARE_EXPORT ssize_t pread64(int descriptor, void* data, std::size_t bytes, off_t offset) {
  return pread(descriptor, data, bytes, offset);
}

NAGARE_EXPORT ssize_t write(int descriptor, const void* data, std::size_t bytes) {
  return move_bytes({"write", nagare::faults::kWriting, kInterruptible | kPartial | kGrowing}, SYS_write,
                    descriptor, const_cast<void*>(data), bytes, 0);
}

NAGARE_EXPORT ssize_t pwrite(int descriptor, const void* data, std::size_t bytes, off_t offset) {
  return move_bytes({"pwrite", nagare::faults::kWriting, kInterruptible | kPartial | kGrowing}, SYS_pwrite64,
                    descriptor, const_cast<void*>(data), bytes, offset);
}

NAGARE_EXPORT ssize_t pwrite64(int descriptor, const void* data, std::size_t bytes, off_t offset) {
  return pwrite(descriptor, data, bytes, offset);
}

NAGARE_EXPORT int fsync(int descriptor) { return sync("fsync", SYS_fsync, descriptor); }

NAGARE_EXPORT int fdatasync(int descriptor) { return sync("fdatasync", SYS_fdatasync, descriptor); }

// As on Linux, the descriptor is closed whatever close() answers.
NAGARE_EXPORT int close(int descriptor) {
  const bool counted = is_file(descriptor) && is_writable(descriptor);
  const bool failed = counted && fails({"close", nagare::faults::kWriting, kInterruptible}, descriptor);
  const int error = errno;
  const auto closed = static_cast<int>(syscall(SYS_close, descriptor));
  if (!failed) return closed;
  errno = error;
  return -1;
}

NAGARE_EXPORT int ftruncate(int descriptor, off_t length) {
  if (fails({"ftruncate", nagare::faults::kWriting, kInterruptible | kGrowing}, descriptor)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, length));
}

NAGARE_EXPORT int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }

NAGARE_EXPORT int rename(const char* from, const char* to) {
  if (plain_fails("rename", to, kGrowing)) return -1;
  return static_cast<int>(syscall(SYS_rename, from, to));
}

NAGARE_EXPORT int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  if (plain_fails("renameat", to, kGrowing)) return -1;
  return static_cast<int>(syscall(SYS_renameat, from_directory, from, to_directory, to));
}

NAGARE_EXPORT int renameat2(int from_directory, const char* from, int to_directory, const char* to,
                            unsigned flags) {
  if (plain_fails("renameat2", to, kGrowing)) return -1;
  return static_cast<int>(syscall(SYS_renameat2, from_directory, from, to_directory, to, flags));
}

NAGARE_EXPORT int mkdir(const char* path, mode_t mode) {
  if (plain_fails("mkdir", path, kGrowing)) return -1;
  return static_cast<int>(syscall(SYS_mkdir, path, mode));
}

NAGARE_EXPORT int mkdirat(int directory, const char* path, mode_t mode) {
  if (plain_fails("mkdirat", path, kGrowing)) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, directory, path, mode));
}

NAGARE_EXPORT int unlink(const char* path) {
  if (plain_fails("unlink", path, kPlain)) return -1;
  return static_cast<int>(syscall(SYS_unlink, path));
}

NAGARE_EXPORT int unlinkat(int directory, const char* path, int flags) {
  if (plain_fails("unlinkat", path, kPlain)) return -1;
  return static_cast<int>(syscall(SYS_unlinkat, directory, path, flags));
}

NAGARE_EXPORT int rmdir(const char* path) {
  if (plain_fails("rmdir", path, kPlain)) return -1;
  return static_cast<int>(syscall(SYS_rmdir, path));
}

NAGARE_EXPORT void* mmap(void* address, std::size_t bytes, int protection, int flags, int descriptor,
                         off_t offset) {
  const bool anonymous = (flags & MAP_ANONYMOUS) != 0;
  const bool failed =
      anonymous ? memory_fails("mmap", bytes) : fails({"mmap", nagare::faults::kReading, kPlain}, descriptor);
  if (failed) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset));
}

NAGARE_EXPORT void* mmap64(void* address, std::size_t bytes, int protection, int flags, int descriptor,
                           off_t offset) {
  return mmap(address, bytes, protection, flags, descriptor, offset);
}

NAGARE_EXPORT void* malloc(std::size_t bytes) {
  return memory_fails("malloc", bytes) ? nullptr : __libc_malloc(bytes);
}

NAGARE_EXPORT void* calloc(std::size_t count, std::size_t bytes) {
  return memory_fails("calloc", count * bytes) ? nullptr : __libc_calloc(count, bytes);
}

NAGARE_EXPORT void* realloc(void* block, std::size_t bytes) {
  return memory_fails("realloc", bytes) ? nullptr : __libc_realloc(block, bytes);
}

NAGARE_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return memory_fails("aligned_alloc", bytes) ? nullptr : __libc_memalign(alignment, bytes);
}

NAGARE_EXPORT void* memalign(std::size_t alignment, std::size_t bytes) {
  return memory_fails("memalign", bytes) ? nullptr : __libc_memalign(alignment, bytes);
}

NAGARE_EXPORT int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  if (memory_fails("posix_memalign", bytes)) return ENOMEM;
  *block = __libc_memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

NAGARE_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                                 void* argument) {
  if (fails({"pthread_create", nagare::faults::kThreads, kPlain}, "")) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return create(thread, attributes, run, argument);
}
