#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr double kMebibyte = 1024.0 * 1024.0;

struct Column {
  const char* name;
  double (*value)(const RunRecord& run);
  int decimals = 2;
};

double of_primary(const RunRecord& run, const char* field) {
  return run.result({"readouts", run.primary, field});
}

const Column kColumns[] = {
    {"untrained %",
     [](const RunRecord& run) {
       return run.result({"readouts", run.primary, "untrained", "accuracy"});
     }},
    {"final %",
     [](const RunRecord& run) {
       return run.result({"readouts", run.primary, "final", "accuracy"});
     }},
    {"average %", [](const RunRecord& run) { return of_primary(run, "average_accuracy"); }},
    {"over stream %", [](const RunRecord& run) { return of_primary(run, "average_over_stream"); }},
    {"forgetting", [](const RunRecord& run) { return of_primary(run, "forgetting"); }},
    {"backward", [](const RunRecord& run) { return of_primary(run, "backward_transfer"); }},
    {"forward", [](const RunRecord& run) { return of_primary(run, "forward_transfer"); }},
    {"images/s", [](const RunRecord& run) { return run.result({"images_per_second"}); }, 0},
    {"training s", [](const RunRecord& run) { return run.result({"training_seconds"}); }, 1},
    {"peak MiB", [](const RunRecord& run) { return run.result({"peak_memory_bytes"}) / kMebibyte; }, 0},
};

std::string state_of(const RunRecord& run) {
  return run.status.is_object() ? run.status.value("state", "unknown") : "unknown";
}

// How far a run came that has not finished, and why.
std::string verdict(const RunRecord& run) {
  if (!run.status.is_object()) return run.name + ": no STATUS.json says how it ended";
  const std::string reason = run.status.value("reason", "");
  return fmt::format("{}: {} at update {} of {}{}", run.name, state_of(run), run.status.value("step", 0LL),
                     run.status.value("planned_steps", 0LL), reason.empty() ? "" : ": " + reason);
}

Rows by_group(const Comparison& comparison) {
  Rows rows = {{"configuration", "seeds"}};
  for (const Column& column : kColumns) rows[0].emplace_back(column.name);
  for (const RunGroup& group : comparison.groups) {
    rows.push_back({group.name, std::to_string(group.runs.size())});
    for (const Column& column : kColumns) {
      std::vector<double> values;
      for (const std::size_t r : group.runs) values.push_back(column.value(comparison.runs[r]));
      rows.back().push_back(mean_text(summarize_values(values), column.decimals));
    }
  }
  return rows;
}

Rows by_run(const Comparison& comparison) {
  Rows rows = {{"run", "method", "strategy", "seed", "state"}};
  for (const Column& column : kColumns) rows[0].emplace_back(column.name);
  for (const RunRecord& run : comparison.runs) {
    rows.push_back({run.name, run.config_value("method.name"), run.config_value("strategy.name"),
                    run.config_value("seed"), state_of(run)});
    for (const Column& column : kColumns) {
      const double value = column.value(run);
      rows.back().push_back(std::isfinite(value) ? fmt::format("{:.{}f}", value, column.decimals) : "-");
    }
  }
  return rows;
}

}  // namespace

Html summary_tables(const Comparison& comparison) {
  Html all;
  const bool seeds = comparison.groups.size() < comparison.runs.size();
  if (seeds) {
    all += element("h3", {}, text("Mean ± standard deviation over seeds")) +
           html_table(by_group(comparison)) + element("h3", {}, text("Every run"));
  }
  all += html_table(by_run(comparison));
  for (const RunRecord& run : comparison.runs) {
    if (state_of(run) != "finished") all += missing(verdict(run));
  }
  return all;
}

}  // namespace nagare::apps
