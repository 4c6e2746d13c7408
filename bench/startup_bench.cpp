// The program from its start to its end where it has nothing to compute: `nagare --help`. The README's "milliseconds".
//
// run      nagare-bench --benchmark_filter=startup; needs the `nagare` beside it
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace nagare {
namespace {

void startup_help(benchmark::State& state) {
  const std::string program =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "nagare").string();
  posix_spawn_file_actions_t to_nowhere;
  posix_spawn_file_actions_init(&to_nowhere);
  posix_spawn_file_actions_addopen(&to_nowhere, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  char name[] = "nagare";
  char help[] = "--help";
  char* const arguments[] = {name, help, nullptr};
  for ([[maybe_unused]] auto _ : state) {
    pid_t child = 0;
    int status = -1;
    const bool started = posix_spawn(&child, program.c_str(), &to_nowhere, nullptr, arguments, environ) == 0;
    if (!started || waitpid(child, &status, 0) != child || status != 0) {
      state.SkipWithError(("cannot run " + program).c_str());
      break;
    }
  }
  posix_spawn_file_actions_destroy(&to_nowhere);
}
BENCHMARK(startup_help)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace nagare
