#include "apps/signals.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "apps/exit_code.h"

namespace nagare::apps {
namespace {

volatile std::sig_atomic_t signals_seen = 0;

// Only async-signal-safe calls in here.
void say(std::string_view text) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

void handle_stop(int /*signal*/) {
  signals_seen = signals_seen + 1;
  if (signals_seen == 1) {
    say("\nstopping after this step and saving; once more to stop at once\n");
  } else {
    say("\nstopped at once: nothing was saved since the last checkpoint\n");
    _exit(static_cast<int>(ExitCode::hard_stop));
  }
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = handle_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return signals_seen > 0; }

}  // namespace nagare::apps
