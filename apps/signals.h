#pragma once
// Ctrl-C and a scheduler's SIGTERM: the first asks for an orderly end, the second ends the process at once.

namespace nagare::apps {

// Until then both signals end the process as usual.
void catch_stop_signals();
bool stop_requested();

}  // namespace nagare::apps
