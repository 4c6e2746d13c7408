#pragma once
// What the user sees: results on stdout, everything else on stderr (and in the run's log, when there is one).
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nagare::apps {

class Console {
 public:
  // A document or table for stdout. CannotWrite when it does not get there.
  void result(std::string_view text) const;
  // One line for people; nothing under --quiet, but always in the log.
  void note(std::string_view line);
  void warning(std::string_view line);
  // First line "error: ...", further lines indented as hints. Never silenced.
  void error(std::string_view message);

  // A line that the next one overwrites on a terminal (at most 10 times a second, cut to the width); elsewhere a
  // line of its own, every 30 seconds. Fields are name and value. `last` is shown whatever the clock says.
  using Fields = std::vector<std::pair<std::string, std::string>>;
  void progress(const Fields& fields, bool last = false);

  void set_quiet(bool quiet) { quiet_ = quiet; }
  // Every line but redrawn progress goes there too.
  void set_log(std::function<void(std::string_view)> log) { log_ = std::move(log); }

 private:
  void line(std::string_view text, bool silent);
  void end_progress();

  bool quiet_ = false;
  bool progress_open_ = false;   // the cursor stands behind a progress line
  double last_progress_ = -1e9;  // seconds
  std::function<void(std::string_view)> log_;
};

// Rows of cells as aligned columns; the first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nagare::apps
