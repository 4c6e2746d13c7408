#include "tests/apps/nagare_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace nagare::test {
namespace {

std::string program() { return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "nagare"; }

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    read = ends[0];
    write = ends[1];
  }
  int read = -1;
  int write = -1;
};

[[noreturn]] void become(const std::vector<std::string>& arguments, const Launch& launch, const Pipe& out,
                         const Pipe& err) {
  std::vector<char*> argv;
  std::string name = program();
  argv.push_back(name.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(out.write, STDOUT_FILENO);
  dup2(err.write, STDERR_FILENO);
  for (const auto& [key, value] : launch.environment) setenv(key.c_str(), value.c_str(), 1);
  if (chdir(launch.directory.c_str()) != 0) _exit(126);
  execv(name.c_str(), argv.data());
  _exit(127);
}

// false at the end of the pipe.
bool drain(int descriptor, std::string& into) {
  std::array<char, 4096> chunk{};
  const ssize_t got = read(descriptor, chunk.data(), chunk.size());
  if (got > 0) into.append(chunk.data(), static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && errno == EINTR);
}

}  // namespace

Outcome run_nagare(const std::vector<std::string>& arguments, const Launch& launch) {
  const Pipe out;
  const Pipe err;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) become(arguments, launch, out, err);
  close(out.write);
  close(err.write);
  Outcome outcome;
  std::array<pollfd, 2> waiting = {
      {{.fd = out.read, .events = POLLIN, .revents = 0}, {.fd = err.read, .events = POLLIN, .revents = 0}}};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    poll(waiting.data(), waiting.size(), 10);
    if (waiting[0].revents != 0 && !drain(out.read, outcome.out)) waiting[0].fd = -1;
    if (waiting[1].revents != 0 && !drain(err.read, outcome.err)) waiting[1].fd = -1;
    if (launch.meanwhile) launch.meanwhile(child, outcome.err);
  }
  close(out.read);
  close(err.read);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::string operator/(const TemporaryDirectory& directory, const std::string& name) {
  return (directory.path() / name).string();
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_all(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> tiny_run(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"train",
                                        "--data",
                                        "fractal:classes=4,per-class=10,test-per-class=5,size=16,seed=3",
                                        "--out",
                                        out,
                                        "--model",
                                        "resnet18:width=4",
                                        "--stream",
                                        "seq:2",
                                        "--stream-batch",
                                        "10",
                                        "--device",
                                        "cpu",
                                        "--precision",
                                        "fp32",
                                        "--threads",
                                        "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace nagare::test
