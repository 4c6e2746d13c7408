#include "apps/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/crash.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr const char* kLevelNames[] = {"error", "warning", "info", "debug"};
constexpr double kTerminalSeconds = 0.1;
constexpr double kPlainSeconds = 30.0;

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double now_seconds() { return static_cast<double>(io::monotonic_nanoseconds()) * 1e-9; }

// Whole fields while they fit: a cut number would be a wrong one.
std::string fit(const Console::Fields& fields, std::size_t width) {
  std::string text;
  for (const auto& [name, value] : fields) {
    const std::string field = (text.empty() ? "" : " | ") + name + " " + value;
    if (text.size() + field.size() >= width) break;
    text += field;
  }
  return text;
}

}  // namespace

void Console::result(std::string_view text) const {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0)
    throw CannotWrite(std::string("cannot write to stdout: ") + std::strerror(errno));
}

const char* to_string(LogLevel level) { return kLevelNames[static_cast<std::size_t>(level)]; }

LogLevel parse_log_level(const std::string& word) {
  const auto found = std::ranges::find(kLevelNames, word);
  if (found == std::end(kLevelNames))
    throw BadConfig("--log-level " + printable(word) + ": need error, warning, info or debug");
  return static_cast<LogLevel>(found - std::begin(kLevelNames));
}

void Console::line(LogLevel level, std::string_view text) {
  const bool heading = level == LogLevel::error || level == LogLevel::warning;
  std::string whole = (heading ? std::string(to_string(level)) + ": " : "") + std::string(text) + "\n";
  for (std::size_t at = whole.find('\n'); at + 1 < whole.size(); at = whole.find('\n', at + 1)) {
    if (level == LogLevel::error) whole.insert(at + 1, "  ");
  }
  crash::add_line(whole);
  if (level <= level_) {
    end_progress();
    std::fwrite(whole.data(), 1, whole.size(), stderr);
  }
  if (log_ && (level <= LogLevel::info || level <= level_)) log_(level, text);
}

void Console::note(std::string_view text) { line(LogLevel::info, text); }

void Console::warning(std::string_view text) { line(LogLevel::warning, text); }

void Console::debug(std::string_view text) { line(LogLevel::debug, text); }

void Console::error(std::string_view message) { line(LogLevel::error, message); }

void Console::progress(const Fields& fields, bool last) {
  if (level_ < LogLevel::info) return;
  const bool terminal = is_terminal();
  const double now = now_seconds();
  if (!last && now - last_progress_ < (terminal ? kTerminalSeconds : kPlainSeconds)) return;
  last_progress_ = now;
  if (!terminal) {
    std::string text;
    for (const auto& [name, value] : fields) {
      std::string key = name;
      std::string compact = value;
      std::ranges::replace(key, ' ', '_');
      std::ranges::replace(compact, ' ', '_');
      text += (text.empty() ? "" : " ") + key + "=" + compact;
    }
    line(LogLevel::info, text);
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", fit(fields, terminal_width()).c_str());
  progress_open_ = true;
  if (last) end_progress();
}

void Console::end_progress() {
  if (progress_open_) std::fputc('\n', stderr);
  progress_open_ = false;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace nagare::apps
