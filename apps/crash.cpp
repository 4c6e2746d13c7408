#include "apps/crash.h"

#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>

#include "apps/exit_code.h"
#include "build_config.h"
#include "kernels/sanitizer.h"

namespace nagare::apps::crash {
namespace {

constexpr std::size_t kLines = 32;
constexpr std::size_t kLineBytes = 200;
constexpr int kMostFrames = 64;
constexpr std::size_t kAlternateStackBytes = 65536;

template <std::size_t kBytes>
struct Text {
  std::array<char, kBytes> bytes{};

  void set(std::string_view text) {
    const std::size_t size = std::min(text.size(), kBytes - 1);
    std::memcpy(bytes.data(), text.data(), size);
    bytes[size] = '\0';
  }
  std::string_view view() const { return bytes.data(); }
};

// Everything that a report needs, in static storage.
struct Known {
  Text<41> build_id;
  Text<4096> report_path;  // "" without a run
  Text<4096> status_path;
  Text<4096> unfinished_status_path;
  Text<4096> configuration;
  Text<64> method;
  Text<64> strategy;
  std::atomic<std::int64_t> step{0};
  std::array<Text<kLineBytes>, kLines> lines;
  std::atomic<std::size_t> lines_added{0};
  std::atomic<bool> reporting{false};
};

Known known;
alignas(16) std::array<char, kAlternateStackBytes> alternate_stack;

struct FatalSignal {
  int number;
  std::string_view name;
};

constexpr FatalSignal kSignals[] = {{SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
                                    {SIGILL, "SIGILL"},   {SIGSEGV, "SIGSEGV"}, {SIGSYS, "SIGSYS"}};

// A file descriptor and what can be written to it in a signal handler.
class Out {
 public:
  explicit Out(int descriptor) : descriptor_(descriptor) {}

  Out& operator<<(std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::write(descriptor_, text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) break;
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    return *this;
  }
  Out& operator<<(std::int64_t number) {
    std::array<char, 24> digits{};
    std::size_t at = digits.size();
    std::uint64_t rest =
        number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    do digits[--at] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0) digits[--at] = '-';
    return *this << std::string_view(digits.data() + at, digits.size() - at);
  }
  Out& hexadecimal(std::uintptr_t number) {
    std::array<char, 18> digits{};
    std::size_t at = digits.size();
    do digits[--at] = "0123456789abcdef"[number % 16];
    while ((number /= 16) > 0);
    return *this << "0x" << std::string_view(digits.data() + at, digits.size() - at);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

struct Cause {
  std::string_view what;  // "SIGSEGV", or what an exception says
  std::string_view advice = "";
  const void* address = nullptr;
  pid_t sender = 0;
  ExitCode code = ExitCode::internal;
};

pid_t thread_id() { return static_cast<pid_t>(syscall(SYS_gettid)); }

void write_report(Out out, const Cause& cause, std::span<void* const> frames) {
  out << "nagare " << kVersion << " crashed: " << cause.what;
  if (cause.sender != 0) out << " sent by process " << std::int64_t{cause.sender};
  if (cause.address != nullptr) {
    out << " at address ";
    out.hexadecimal(reinterpret_cast<std::uintptr_t>(cause.address));
  }
  const pid_t thread = thread_id();
  out << (thread == getpid() ? ", in the main thread" : ", in worker thread ");
  if (thread != getpid()) out << std::int64_t{thread};
  out << "\n";
  if (!cause.advice.empty()) out << cause.advice << "\n";
  out << "build id: " << known.build_id.view() << "\n";
  if (!known.report_path.view().empty()) {
    out << "run: " << known.method.view() << " + " << known.strategy.view() << " after step "
        << known.step.load() << "\nconfiguration: " << known.configuration.view() << "\n";
  }
  out << "stack (addr2line -Cfe nagare ADDRESS):\n";
  backtrace_symbols_fd(frames.data(), static_cast<int>(frames.size()), out.descriptor());
  const std::size_t added = known.lines_added.load();
  if (added > 0) out << "last lines of the log:\n";
  for (std::size_t i = added - std::min(added, kLines); i < added; ++i) {
    out << "  " << known.lines[i % kLines].view() << "\n";
  }
}

void write_status(const Cause& cause) {
  const int file =
      ::open(known.unfinished_status_path.bytes.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return;
  Out(file) << "{\n  \"state\": \"failed\",\n  \"step\": " << known.step.load()
            << ",\n  \"reason\": \"crashed, see crash.txt\",\n  \"exit_code\": "
            << static_cast<std::int64_t>(cause.code) << ",\n  \"pid\": " << std::int64_t{getpid()} << "\n}\n";
  ::close(file);
  ::rename(known.unfinished_status_path.bytes.data(), known.status_path.bytes.data());
}

[[noreturn]] void end(const Cause& cause) {
  if (known.reporting.exchange(true)) {
    // Another thread is at it and will end the process; a second fault in the report itself ends it here.
    static_cast<void>(sleep(5));
    _exit(static_cast<int>(cause.code));
  }
  std::array<void*, kMostFrames> frames{};
  const auto count = static_cast<std::size_t>(backtrace(frames.data(), kMostFrames));
  const std::span<void* const> stack(frames.data(), count);
  Out(STDERR_FILENO) << "\n";
  write_report(Out(STDERR_FILENO), cause, stack);
  if (!known.report_path.view().empty()) {
    const int file = ::open(known.report_path.bytes.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file >= 0) {
      write_report(Out(file), cause, stack);
      ::close(file);
      Out(STDERR_FILENO) << "this report: " << known.report_path.view() << "\n";
    }
    write_status(cause);
  }
  _exit(static_cast<int>(cause.code));
}

void on_signal(int number, siginfo_t* about, void* /*context*/) {
  const bool no_memory = errno == ENOMEM;
  const auto found = std::ranges::find(kSignals, number, &FatalSignal::number);
  Cause cause{.what = found == std::end(kSignals) ? "a signal" : found->name};
  const bool sent = about->si_code <= 0;  // by kill(), raise() or abort()
  if (sent) {
    cause.sender = about->si_pid == getpid() ? 0 : about->si_pid;
  } else {
    cause.address = about->si_addr;
  }
  if (!sent && number == SIGBUS && about->si_code == BUS_ADRERR) {
    cause.code = ExitCode::data;
    cause.advice = "error: a data file became shorter, or cannot be read any more, while it was in use";
  } else if (no_memory && (!sent || number == SIGABRT)) {
    cause.code = ExitCode::memory;
    cause.advice = "error: out of memory: an allocation failed and a library did not survive it";
  }
  end(cause);
}

[[noreturn]] void on_terminate() {
  Text<1024> message;
  message.set("terminate without an exception");
  ExitCode code = ExitCode::internal;
  if (const std::exception_ptr error = std::current_exception()) {
    try {
      const Failure failure = describe(error);
      message.set(failure.message);
      code = failure.code;
    } catch (...) {  // its message could not be allocated
      message.set("out of memory");
      code = ExitCode::memory;
    }
  }
  if (code == ExitCode::internal) end({.what = message.view()});
  Out(STDERR_FILENO) << "error: " << message.view() << "\n";
  if (!known.report_path.view().empty()) write_status({.what = message.view(), .code = code});
  _exit(static_cast<int>(code));
}

// The linker's note; "unknown" in a program without one.
int read_build_id(dl_phdr_info* program, std::size_t /*size*/, void* /*unused*/) {
  constexpr char kHex[] = "0123456789abcdef";
  for (int i = 0; i < program->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = program->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const char* at = reinterpret_cast<const char*>(program->dlpi_addr + segment.p_vaddr);
    const char* const end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) < end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const auto padded = [](std::size_t bytes) { return (bytes + 3) / 4 * 4; };
      const char* const id = at + sizeof note + padded(note.n_namesz);
      if (note.n_type == NT_GNU_BUILD_ID && std::strncmp(at + sizeof note, "GNU", 4) == 0) {
        std::string text;
        for (std::size_t byte = 0; byte < note.n_descsz; ++byte) {
          const auto value = static_cast<unsigned char>(id[byte]);
          text += {kHex[value / 16], kHex[value % 16]};
        }
        known.build_id.set(text);
        return 1;
      }
      at = id + padded(note.n_descsz);
    }
  }
  return 1;  // the first object is the program itself
}

}  // namespace

void install() {
  known.build_id.set("unknown");
  dl_iterate_phdr(&read_build_id, nullptr);
  std::set_terminate(&on_terminate);
  // A limit that is met and a reader that is gone are errors of write(), and are reported as such.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  if constexpr (kSanitized) return;
  // The first call loads libgcc's unwinder, which allocates: not in the handler, then.
  std::array<void*, 1> frame{};
  backtrace(frame.data(), 1);
  // A stack of its own: the fault may be that the main thread's is used up.
  stack_t stack{};
  stack.ss_sp = alternate_stack.data();
  stack.ss_size = alternate_stack.size();
  sigaltstack(&stack, nullptr);
  for (const FatalSignal& signal : kSignals) {
    struct sigaction before {};
    sigaction(signal.number, nullptr, &before);
    if (before.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_sigaction = &on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(signal.number, &action, nullptr);
  }
}

void set_run(const Run& run) {
  known.configuration.set(run.configuration);
  known.method.set(run.method);
  known.strategy.set(run.strategy);
  known.report_path.set(run.directory.empty() ? "" : run.directory + "/crash.txt");
  known.status_path.set(run.directory + "/STATUS.json");
  known.unfinished_status_path.set(run.directory + "/STATUS.json.tmp-crash");
}

void set_step(std::int64_t step) { known.step = step; }

void add_line(std::string_view line) {
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  known.lines[known.lines_added++ % kLines].set(line);
}

}  // namespace nagare::apps::crash
