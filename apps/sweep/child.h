#pragma once
// A training run as a process of its own: what it says goes to a file, and a stop reaches it once.
//
// It leads its own process group: Ctrl-C in a terminal reaches the sweep alone, which passes it on (stop()). It is told to
// stop and save when the sweep dies in any way.
// errors  std::runtime_error when no process can be made; CannotWrite for the log
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/io/file.h"

namespace nagare::apps {

class Child {
 public:
  // This program with other arguments; stdout and stderr replace `log`.
  Child(const std::vector<std::string>& arguments, const io::Path& log);

  // The exit code once it has ended (128 + signal when one ended it); does not wait.
  std::optional<int> ended();
  // SIGINT: stop after this update and save. More calls do nothing.
  void stop();

 private:
  pid_t process_ = -1;
  bool stopped_ = false;
};

}  // namespace nagare::apps
