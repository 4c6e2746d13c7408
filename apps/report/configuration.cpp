#include <algorithm>

#include "apps/report/figures.h"
#include "apps/run_directory.h"

namespace nagare::apps {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::vector<std::string> heading(const Comparison& comparison, const std::string& first) {
  std::vector<std::string> row = {first};
  for (const RunRecord& run : comparison.runs) row.push_back(run.name);
  return row;
}

// Every key that any run has, in the order of the first run that has it.
std::vector<std::string> keys_of(const Comparison& comparison) {
  std::vector<std::string> keys;
  for (const RunRecord& run : comparison.runs) {
    for (const ConfigEntry& entry : run.config) {
      if (std::ranges::find(keys, entry.key) == keys.end()) keys.push_back(entry.key);
    }
  }
  return keys;
}

bool all_equal(const std::vector<std::string>& row) {
  return std::all_of(row.begin() + 1, row.end(), [&](const std::string& value) { return value == row[1]; });
}

Rows options(const Comparison& comparison, bool only_differences) {
  Rows rows = {heading(comparison, "option")};
  for (const std::string& key : keys_of(comparison)) {
    std::vector<std::string> row = {key};
    for (const RunRecord& run : comparison.runs) row.push_back(run.config_value(key));
    if (!only_differences || !all_equal(row)) rows.push_back(std::move(row));
  }
  return rows;
}

// Of a single run: where every value came from.
Rows origins(const RunRecord& run) {
  Rows rows = {{"option", "value", "from"}};
  for (const ConfigEntry& entry : run.config) rows.push_back({entry.key, entry.value, entry.origin});
  return rows;
}

Rows environment(const Comparison& comparison) {
  Rows rows = {heading(comparison, "environment")};
  std::vector<std::string> keys;
  for (const RunRecord& run : comparison.runs) {
    if (!run.environment.is_object()) continue;
    for (const auto& [key, value] : run.environment.items()) {
      if (key != "pid" && std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
  }
  for (const std::string& key : keys) {
    rows.push_back({key});
    for (const RunRecord& run : comparison.runs) {
      const bool has = run.environment.is_object() && run.environment.contains(key);
      const auto& value = has ? run.environment[key] : run.environment;
      rows.back().push_back(!has ? "" : value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return rows;
}

}  // namespace

Html configuration(const Comparison& comparison) {
  Html all;
  const bool single = comparison.runs.size() == 1;
  if (!single) {
    all += element("h3", {}, text("What differs")) + html_table(options(comparison, true), "text");
  }
  const Html whole = single ? html_table(origins(comparison.runs.front()), "text")
                            : html_table(options(comparison, false), "text");
  all += element("details", {}, element("summary", {}, text("Every option")) + whole);
  all += element("details", {},
                 element("summary", {}, text("Environment")) + html_table(environment(comparison), "text"));
  Html commands;
  for (const RunRecord& run : comparison.runs) {
    commands +=
        element("pre", {}, text("nagare train --config " + (run.path / kConfigName).string() + " --out NEW"));
  }
  return all + element("details", {}, element("summary", {}, text("To repeat it")) + commands);
}

}  // namespace nagare::apps
