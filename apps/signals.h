#pragma once
// SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 ask for an orderly end: Ctrl-C, a terminal that closes, and what
// schedulers send before they take a machine away. A second SIGINT or SIGTERM ends the process at once, with 128 + its
// number. SIGHUP stays ignored where it was (nohup). SIGPIPE is ignored: a reader that goes away costs no training.

namespace nagare::apps {

// Until then these signals end the process as usual.
void catch_stop_signals();
bool stop_requested();

}  // namespace nagare::apps
