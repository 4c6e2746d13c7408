#include "apps/signals.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>

namespace nagare::apps {
namespace {

// Any thread may run the handler.
std::atomic<bool> stop_wanted{false};
std::atomic<bool> stop_insisted{false};  // by SIGINT or SIGTERM, which count twice
static_assert(std::atomic<bool>::is_always_lock_free);

// Only async-signal-safe calls in here.
void say(std::string_view text) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

void handle_stop(int signal) {
  const int kept = errno;
  const bool insists = signal == SIGINT || signal == SIGTERM;
  if (insists && stop_insisted.exchange(true)) {
    say("\nstopped at once: nothing was saved since the last checkpoint\n");
    _exit(128 + signal);
  }
  if (!stop_wanted.exchange(true))
    say("\nstopping as soon as this step or evaluation can be left, and saving; once more to stop at once\n");
  errno = kept;
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = handle_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : std::array{SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;
    sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() { return stop_wanted; }

}  // namespace nagare::apps
