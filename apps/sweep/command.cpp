// `nagare sweep`: a grid of training runs, each a process of its own, and the table of what they came to.
#include "apps/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/collect.h"
#include "apps/machine.h"
#include "apps/run_directory.h"
#include "apps/session.h"
#include "apps/signals.h"
#include "apps/sweep/child.h"
#include "apps/sweep/earlier.h"
#include "apps/sweep/table.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/io/json_text.h"
#include "engine/text/printable.h"
#include "ssl/strategies/table.h"
#include "ssl/streams/spec.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr useconds_t kLookEvery = 50'000;  // microseconds between looks at the children

enum class State { waiting, running, finished, skipped, stopped, failed };

const char* name_of(State state) {
  switch (state) {
    case State::waiting:
      return "waiting";
    case State::running:
      return "running";
    case State::finished:
      return "finished";
    case State::skipped:
      return "skipped";
    case State::stopped:
      return "stopped";
    default:
      return "failed";
  }
}

struct Job {
  Cell cell;
  io::Path run;
  std::vector<std::string> arguments;  // of nagare
  State state = State::waiting;
  int exit_code = 0;
  std::string reason;  // why it was skipped, or failed
};

std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::ranges::all_of(argument, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./:=,+~").find(c) != std::string_view::npos;
  });
  if (plain) return argument;
  std::string text = "'";
  for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string command_line(const Job& job) {
  std::string line = "nagare";
  for (const std::string& argument : job.arguments) line += " " + quoted(argument);
  return line;
}

// "" when there is no such text.
std::string text_at(const Json& json, const char* key) {
  const bool there = json.is_object() && json.contains(key) && json[key].is_string();
  return there ? json[key].get<std::string>() : "";
}

double number_at(const Json& json, const std::vector<std::string>& keys) {
  const Json* at = &json;
  for (const std::string& key : keys) {
    if (!at->is_object() || !at->contains(key)) return NAN;
    at = &(*at)[key];
  }
  return at->is_number() ? at->get<double>() : NAN;
}

// Whether the run that is there is what this cell wants: all of it, or a beginning that can go on.
bool has_finished(const Job& job, const Settings& wanted) {
  Settings stored;
  const io::Path config = job.run / kConfigName;
  stored.assign_toml(io::read_text(config), config.string());
  const std::vector<std::string> changed = wanted.differences(stored);
  if (!changed.empty()) {
    std::string list;
    for (const std::string& line : changed) list += "\n" + line;
    throw BadConfig(printable(job.run.string()) +
                    " holds a run of other values; choose another --out, or move it away" + list);
  }
  return text_at(io::read_object(job.run / "STATUS.json"), "state") == "finished" &&
         stored.options().max_steps == wanted.options().max_steps && io::exists(job.run / "results.json");
}

// Everything that can be wrong is found here, before any run begins.
Job make_job(const Cell& cell, const io::Path& out, std::int64_t threads) {
  Job job{.cell = cell,
          .run = out / cell.name,
          .arguments = {"train"},
          .state = State::waiting,
          .exit_code = 0,
          .reason = {}};
  std::vector<std::string> warnings;
  const Settings settings = collect(cell.flags, warnings);
  for (const FlagValue& flag : cell.flags) {
    job.arguments.push_back("--" + std::string(short_form(flag.key)) + "=" + flag.text);
  }
  if (threads > 0 && !settings.is_set("threads"))
    job.arguments.push_back("--threads=" + std::to_string(threads));
  job.arguments.push_back("--out=" + job.run.string());
  check_choices(settings);
  const Options& options = settings.options();
  const bool boundaries = ssl::parse_stream(options.stream).exposed;
  try {
    ssl::check_pair(options.strategy, options.method, boundaries);
  } catch (const BadConfig& error) {
    job.state = State::skipped;
    job.reason = error.what();
    return job;
  }
  if (RunDirectory::inspect(job.run) == RunDirectory::Kind::run) {
    if (has_finished(job, settings)) job.state = State::finished;
    job.arguments.emplace_back("--resume");
  } else {
    RunDirectory::check(job.run, false);
  }
  return job;
}

// The last thing that a failed run said on its first line "error: ...".
std::string error_in(const io::Path& log) {
  std::istringstream lines(io::read_text(log));
  std::string found = "see " + log.string();
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("error: ")) found = line.substr(7);
  }
  return printable(found);
}

class Sweep {
 public:
  Sweep(std::vector<Job> jobs, const Grid& grid, const io::Path& out, Console& console)
      : jobs_(std::move(jobs)), grid_(grid), out_(out), console_(console) {}

  void run(std::size_t slots);
  ResultTable table() const;
  ExitCode exit_code() const;

 private:
  struct Running {
    std::size_t job;
    Child child;
    double since;
  };

  io::Path log_of(const Job& job) const { return out_ / ".logs" / (job.cell.name + ".txt"); }
  void start(std::size_t job);
  void ended(Running& running, int exit_code);
  void report(std::size_t job, const std::string& words) const;
  void write_state() const;

  std::vector<Job> jobs_;
  const Grid& grid_;
  io::Path out_;
  Console& console_;
  std::vector<Running> running_;
};

void Sweep::report(std::size_t job, const std::string& words) const {
  console_.note(fmt::format("[{}/{}] {}: {}", job + 1, jobs_.size(), jobs_[job].cell.name, words));
}

void Sweep::start(std::size_t job) {
  running_.push_back(
      {.job = job, .child = Child(jobs_[job].arguments, log_of(jobs_[job])), .since = io::wall_seconds()});
  jobs_[job].state = State::running;
  report(job, jobs_[job].arguments.back() == "--resume" ? "goes on" : "begins");
  write_state();
}

void Sweep::ended(Running& running, int exit_code) {
  Job& job = jobs_[running.job];
  job.exit_code = exit_code;
  const bool saved = exit_code == static_cast<int>(ExitCode::saved_by_signal) ||
                     exit_code == static_cast<int>(ExitCode::hard_stop) || exit_code == 128 + SIGTERM;
  job.state = exit_code == 0 ? State::finished : saved ? State::stopped : State::failed;
  if (job.state == State::failed) job.reason = error_in(log_of(job));
  const std::string seconds = fmt::format(" ({:.0f} s)", io::wall_seconds() - running.since);
  report(running.job, name_of(job.state) + (job.state == State::failed
                                                ? fmt::format(" with exit code {}: {}", exit_code, job.reason)
                                                : seconds));
  write_state();
}

void Sweep::write_state() const {
  Json cells = Json::array();
  for (const Job& job : jobs_) {
    Json values = Json::object();
    for (std::size_t a = 0; a < grid_.axes.size(); ++a) values[grid_.axes[a].key] = job.cell.values[a];
    cells.push_back({{"name", job.cell.name},
                     {"values", std::move(values)},
                     {"state", name_of(job.state)},
                     {"exit_code", job.exit_code},
                     {"reason", job.reason},
                     {"command", command_line(job)}});
  }
  io::write_file(out_ / "sweep.json", Json{{"schema", 1}, {"cells", std::move(cells)}}.dump(2) + "\n");
}

void Sweep::run(std::size_t slots) {
  io::make_directories(out_ / ".logs");  // hidden: OUT/*/ are the runs
  for (std::size_t j = 0; j < jobs_.size(); ++j) {
    if (jobs_[j].state == State::finished) report(j, "has finished already");
    if (jobs_[j].state == State::skipped) report(j, "skipped: " + jobs_[j].reason);
  }
  write_state();
  std::size_t next = 0;
  while (true) {
    const bool stopping = stop_requested();
    while (!stopping && running_.size() < slots && next < jobs_.size()) {
      if (jobs_[next].state == State::waiting) start(next);
      ++next;
    }
    if (running_.empty()) return;
    std::erase_if(running_, [&](Running& running) {
      if (stopping) running.child.stop();
      const std::optional<int> code = running.child.ended();
      if (code) ended(running, *code);
      return code.has_value();
    });
    usleep(kLookEvery);
  }
}

ResultTable Sweep::table() const {
  std::vector<CellResult> results;
  for (const Job& job : jobs_) {
    CellResult result{
        .values = job.cell.values, .final_accuracy = NAN, .average_accuracy = NAN, .forgetting = NAN};
    if (job.state == State::finished) {
      const Json json = io::read_object(job.run / "results.json");
      if (json.is_null()) throw BadData(printable((job.run / "results.json").string()) + ": no such file");
      const std::string primary = text_at(json, "primary");
      result.final_accuracy = number_at(json, {"readouts", primary, "final", "accuracy"});
      result.average_accuracy = number_at(json, {"readouts", primary, "average_accuracy"});
      result.forgetting = number_at(json, {"readouts", primary, "forgetting"});
    }
    if (job.state != State::skipped) results.push_back(std::move(result));
  }
  return make_table(grid_.axes, results);
}

ExitCode Sweep::exit_code() const {
  for (const Job& job : jobs_) {
    // A signal (128 and above) is no code of ours.
    if (job.state == State::failed)
      return job.exit_code < 128 ? static_cast<ExitCode>(job.exit_code) : ExitCode::internal;
  }
  const bool whole = std::ranges::all_of(
      jobs_, [](const Job& job) { return job.state == State::finished || job.state == State::skipped; });
  return whole ? ExitCode::done : ExitCode::saved_by_signal;
}

ExitCode dry_run(const std::vector<Job>& jobs, Console& console) {
  std::string text;
  for (const Job& job : jobs) {
    const std::string line = command_line(job) + "\n";
    if (job.state == State::finished) {
      text += "# finished: " + line;
    } else if (job.state == State::skipped) {
      text += "# skipped (" + job.reason + "): " + line;
    } else {
      text += line;
    }
  }
  console.result(text);
  return ExitCode::done;
}

}  // namespace

ExitCode run_sweep(const Settings& settings, Console& console) {
  const Options& options = settings.options();
  if (options.out.empty()) throw UsageError("sweep: --out DIR is missing: where the runs go");
  if (options.resume || !options.profile.empty()) {
    throw UsageError("sweep: --resume and --profile are of one run; a sweep goes on by itself");
  }
  format_table({}, options.format);  // a wrong name costs no run
  const Grid grid = read_grid(settings);
  const std::int64_t threads =
      options.slots > 1 ? std::max<std::int64_t>(1, describe_machine().cores / options.slots) : 0;
  const std::vector<Cell> cells = cells_of(grid);
  check_keeps_earlier(grid, cells, options.out);
  std::vector<Job> jobs;
  for (const Cell& cell : cells) jobs.push_back(make_job(cell, options.out, threads));
  if (options.dry_run) return dry_run(jobs, console);
  catch_stop_signals();
  Sweep sweep(std::move(jobs), grid, options.out, console);
  sweep.run(static_cast<std::size_t>(options.slots));
  const ResultTable table = sweep.table();
  const io::Path out = options.out;
  io::write_file(out / "table.md", format_table(table, "markdown"));
  io::write_file(out / "table.csv", format_table(table, "csv"));
  io::write_file(out / "table.tex", format_table(table, "latex"));
  console.result(options.json ? io::read_text(out / "sweep.json") : format_table(table, options.format));
  return sweep.exit_code();
}

}  // namespace nagare::apps
