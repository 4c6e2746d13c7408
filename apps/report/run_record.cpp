#include "apps/report/run_record.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "apps/results.h"
#include "apps/run_directory.h"
#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "engine/io/json_text.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;
// Every name has a number for every step, also where most lines lack it.
constexpr std::size_t kMostNames = 128;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::string shown(const io::Path& path) { return printable(path.string()); }

double as_number(const Json& value) { return value.is_number() ? value.get<double>() : kNone; }

std::vector<double> as_numbers(const Json& list) {
  std::vector<double> values;
  if (list.is_array()) {
    for (const Json& value : list) values.push_back(as_number(value));
  }
  return values;
}

std::vector<ConfigEntry> read_config(const io::Path& path) {
  const std::string content = io::read_text(path, kMaxTextBytes);
  std::vector<std::string> lines;
  std::istringstream stream(content);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::vector<ConfigEntry> config;
  try {
    for (const TomlEntry& entry : parse_toml(content, path.string())) {
      const auto number = static_cast<std::size_t>(entry.line - 1);
      const std::string line = number < lines.size() ? lines[number] : "";
      const std::size_t comment = line.rfind("  # ");
      config.push_back({.key = entry.key,
                        .value = entry.value,
                        .origin = comment == std::string::npos ? "" : line.substr(comment + 4)});
    }
  } catch (const BadConfig& error) {
    throw BadData(std::string("damaged: ") + error.what());
  }
  return config;
}

void add_step(const Json& line, StepRecord& steps) {
  const std::size_t before = steps.step.size();
  const double step = as_number(line.at("step"));
  for (const auto& [name, value] : line.items()) {
    if (!value.is_number() && !value.is_null()) continue;
    if (steps.values.size() == kMostNames && !steps.values.contains(name)) {
      throw BadData("steps with more than " + std::to_string(kMostNames) + " different numbers");
    }
    auto& values = steps.values[name];
    values.resize(before, kNone);
    values.push_back(as_number(value));
  }
  for (auto& [name, values] : steps.values) values.resize(before + 1, kNone);
  steps.step.push_back(step);
  steps.task.push_back(line.contains("task") ? as_number(line["task"]) : kNone);
}

EvaluationRecord evaluation_of(const Json& line) {
  EvaluationRecord record;
  record.step = as_number(line.at("step"));
  record.task_end = line.value("task_end", false);
  const auto readouts = line.find("readouts");
  if (readouts != line.end() && readouts->is_object()) {
    for (const auto& [name, readout] : readouts->items()) {
      record.readouts[name] = {.accuracy = as_number(readout.at("accuracy")),
                               .tasks = as_numbers(readout.at("tasks"))};
    }
  }
  const auto measures = line.find("measures");
  if (measures != line.end() && measures->is_object()) {
    for (const auto& [name, value] : measures->items()) {
      if (value.is_number()) record.measures[name] = value.get<double>();
    }
  }
  if (line.contains("stored_by_task")) record.stored_by_task = as_numbers(line["stored_by_task"]);
  return record;
}

// A run has as many tasks in its last evaluation as in its first.
void check_tasks(const EvaluationRecord& record, std::optional<std::size_t>& tasks) {
  for (const auto& [name, readout] : record.readouts) {
    if (tasks.value_or(readout.tasks.size()) != readout.tasks.size()) {
      throw BadData("accuracies of " + std::to_string(readout.tasks.size()) + " tasks, of " +
                    std::to_string(*tasks) + " before");
    }
    tasks = readout.tasks.size();
  }
}

// The types that a page relies on.
void check_status(const Json& status, const std::string& place) {
  for (const char* name : {"state", "reason"}) {
    if (status.contains(name) && !status[name].is_string())
      throw BadData(place + ": damaged: " + name + " is no text");
  }
  for (const char* name : {"step", "planned_steps"}) {
    if (status.contains(name) && !status[name].is_number())
      throw BadData(place + ": damaged: " + name + " is no number");
  }
}

void check_schema(const Json& first, const std::string& place) {
  if (first.contains("schema") && first["schema"] == kResultsSchema) return;
  throw BadData(place + ": schema " + (first.contains("schema") ? first["schema"].dump() : "missing") +
                ", this program reads " + std::to_string(kResultsSchema));
}

void read_metrics(const io::Path& path, RunRecord& run) {
  const std::string content = io::read_text(path, kMaxTextBytes);
  std::istringstream stream(content);
  std::int64_t count = 0;
  std::optional<std::size_t> tasks;
  for (std::string text; std::getline(stream, text);) {
    const std::string place = shown(path) + ":" + std::to_string(++count);
    if (stream.eof()) break;  // no newline: a kill cut it short
    const Json line = io::parse_object(text, place);
    if (count == 1) {
      check_schema(line, place);
      continue;
    }
    try {
      const std::string kind = line.at("kind");
      if (kind == "step") add_step(line, run.steps);
      if (kind != "evaluation") continue;
      run.evaluations.push_back(evaluation_of(line));
      check_tasks(run.evaluations.back(), tasks);
      if (run.primary.empty() && line.at("readouts").size() > 0) {
        run.primary = line["readouts"].begin().key();
      }
    } catch (const Json::exception& error) {
      throw BadData(place + ": damaged: " + printable(error.what()));
    } catch (const BadData& error) {
      throw BadData(place + ": damaged: " + printable(error.what()));
    }
  }
  if (count == 0) throw BadData(shown(path) + ": damaged: empty");
}

}  // namespace

std::vector<double> StepRecord::of(const std::string& name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::vector<double>(step.size(), kNone) : found->second;
}

std::string RunRecord::config_value(const std::string& key) const {
  const auto found = std::ranges::find(config, key, &ConfigEntry::key);
  return found == config.end() ? "" : found->value;
}

double RunRecord::result(const std::vector<std::string>& keys) const {
  const Json* at = &results;
  for (const std::string& key : keys) {
    if (!at->is_object() || !at->contains(key)) return kNone;
    at = &(*at)[key];
  }
  return as_number(*at);
}

std::vector<std::vector<double>> RunRecord::accuracy_matrix() const {
  std::vector<std::vector<double>> matrix;
  for (const EvaluationRecord& evaluation : evaluations) {
    const auto readout = evaluation.readouts.find(primary);
    if (evaluation.task_end && readout != evaluation.readouts.end()) matrix.push_back(readout->second.tasks);
  }
  return matrix;
}

RunRecord read_run(const io::Path& path) {
  if (!io::exists(path)) throw BadData(shown(path) + ": there is no such run");
  RunRecord run;
  run.path = path;
  run.name = printable(std::filesystem::weakly_canonical(path).filename().string());
  run.config = read_config(path / kConfigName);
  run.environment = io::read_object(path / "env.json", kMaxTextBytes);
  run.status = io::read_object(path / "STATUS.json", kMaxTextBytes);
  run.results = io::read_object(path / "results.json", kMaxTextBytes);
  if (run.status.is_object()) check_status(run.status, shown(path / "STATUS.json"));
  if (!run.results.is_null()) check_schema(run.results, shown(path / "results.json"));
  read_metrics(path / "metrics.jsonl", run);
  if (io::exists(path / "gallery.safetensors")) run.gallery = ssl::read_gallery(path / "gallery.safetensors");
  return run;
}

}  // namespace nagare::apps
