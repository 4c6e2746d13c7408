#include "apps/sweep/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr int kCannotStart = 127;

// Between fork and exec: only calls that are safe in a signal handler.
[[noreturn]] void become(char* const* arguments, int log, int nothing, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(kCannotStart);  // it died before the line above
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv("/proc/self/exe", arguments);
  _exit(kCannotStart);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const io::Path& log) {
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) throw CannotWrite(printable(log.string()) + ": " + std::strerror(errno));
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<std::string> copies = {"nagare"};
  copies.insert(copies.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  process_ = fork();
  if (process_ == 0) become(pointers.data(), file, nothing, parent);
  const int reason = errno;
  close(file);
  close(nothing);
  if (process_ < 0) throw std::runtime_error(std::string("no process can be made: ") + std::strerror(reason));
  setpgid(process_, process_);  // here too: whichever side comes first
}

std::optional<int> Child::ended() {
  int status = 0;
  if (waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Child::stop() {
  if (!stopped_) kill(process_, SIGINT);
  stopped_ = true;
}

}  // namespace nagare::apps
