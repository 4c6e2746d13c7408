#pragma once
// Exit codes of every command: stable, and tested one by one in tests/apps/.
#include <exception>
#include <stdexcept>
#include <string>

namespace nagare::apps {

enum class ExitCode : int {
  done = 0,
  internal = 1,          // a fault of this program
  usage = 2,             // the command line cannot be understood
  config = 3,            // an option or configuration file is wrong
  data = 4,              // input data is missing or damaged
  checkpoint = 5,        // a checkpoint is missing, damaged, or of another configuration
  cannot_write = 6,      // the output cannot be written
  device = 7,            // the device asked for cannot be used
  memory = 8,            // out of memory
  diverged = 9,          // training produced NaN or infinity
  in_use = 10,           // another process works in this run directory
  different = 12,        // what was compared is not equal
  saved_by_signal = 75,  // stopped by a signal with everything saved: run again with --resume
  hard_stop = 130,       // a second SIGINT (143: SIGTERM); nothing was saved since the last checkpoint
};

// The command line cannot be understood.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Another process holds the run directory.
struct RunInUse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Failure {
  ExitCode code = ExitCode::internal;
  std::string message;
};

// What an exception that reached main() means to the user.
Failure describe(const std::exception_ptr& error);

}  // namespace nagare::apps
