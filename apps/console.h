#pragma once
// What the user sees: results on stdout, everything else on stderr, as far as its level is asked for. The run's log, when
// there is one, holds every line of level info or above, and of level debug when that is asked for.
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nagare::apps {

enum class LogLevel { error, warning, info, debug };

const char* to_string(LogLevel level);
// "error", "warning", "info" or "debug"; BadConfig for another word.
LogLevel parse_log_level(const std::string& word);

class Console {
 public:
  // A document or table for stdout. CannotWrite when it does not get there.
  void result(std::string_view text) const;
  // One line for people, of level info.
  void note(std::string_view line);
  void warning(std::string_view line);
  // For whoever looks for a fault.
  void debug(std::string_view line);
  // First line "error: ...", further lines indented as hints. Never silenced.
  void error(std::string_view message);

  // A line that the next one overwrites on a terminal (at most 10 times a second, cut to the width); elsewhere a
  // line of its own, every 30 seconds. Fields are name and value. `last` is shown whatever the clock says.
  using Fields = std::vector<std::pair<std::string, std::string>>;
  void progress(const Fields& fields, bool last = false);

  void set_level(LogLevel level) { level_ = level; }
  // Every line but redrawn progress goes there too, with neither "warning: " nor a newline.
  using Log = std::function<void(LogLevel level, std::string_view text)>;
  void set_log(Log log) { log_ = std::move(log); }

 private:
  void line(LogLevel level, std::string_view text);
  void end_progress();

  LogLevel level_ = LogLevel::info;  // of what stderr shows
  bool progress_open_ = false;       // the cursor stands behind a progress line
  double last_progress_ = -1e9;      // seconds
  Log log_;
};

// Rows of cells as aligned columns; the first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nagare::apps
