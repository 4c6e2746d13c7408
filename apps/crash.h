#pragma once
// The last words of a process that cannot go on: a signal that means a fault (SEGV, BUS, ILL, FPE, ABRT, SYS), or an
// exception that nobody can catch (out of a worker thread, or a second one while the first is being reported).
//
//   to stderr and RUN/crash.txt   what happened, and in which thread; version and build id; step, method, strategy and
//                                 the configuration's path; the stack; the last lines of the log
//   RUN/STATUS.json               state "failed", the step, the exit code
//   exit code                     1; 4 when a mapped file was cut under the reader's feet (SIGBUS); 8 when an allocation
//                                 had failed just before: libraries do not all survive that
//
// Only async-signal-safe calls, and nothing is allocated. Addresses of the stack are for `addr2line -e nagare`, or gdb.
// In a sanitizer's build signals stay with the sanitizer.
#include <cstdint>
#include <string>
#include <string_view>

namespace nagare::apps::crash {

// Call once, first of all. Signals that something else handles already are left alone. SIGXFSZ and SIGPIPE are ignored.
void install();

// What the report says of the run. Cut where it is longer than a report needs. A path that is empty: no run, no files.
struct Run {
  std::string directory;
  std::string configuration;  // its path
  std::string method;
  std::string strategy;
};
void set_run(const Run& run);
void set_step(std::int64_t step);

// Keeps the last 32 lines, 200 bytes of each. From any thread.
void add_line(std::string_view line);

}  // namespace nagare::apps::crash
