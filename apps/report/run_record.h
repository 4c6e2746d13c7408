#pragma once
// A run directory as a report needs it. Nothing outside the directory is read, nothing inside is changed.
//
// Needed: config.resolved.toml and metrics.jsonl. The rest (results.json, STATUS.json, env.json, gallery.safetensors,
// checkpoints) may be missing, as in a run that is still at work; a file that is there must be sound. The last line of
// metrics.jsonl may be cut short, as a kill leaves it.
// errors  BadData naming the file, and the line, and what is wrong with it
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "ssl/eval/gallery.h"

namespace nagare::apps {

struct ConfigEntry {
  std::string key;
  std::string value;
  std::string origin;  // "--seed", "preset demo:3", "default"
};

// Update by update. Lists are of one length; NaN where a line lacks the number.
struct StepRecord {
  std::vector<double> step;
  std::vector<double> task;
  std::map<std::string, std::vector<double>>
      values;  // "loss", "lr", "seconds", "images", "memory_bytes", parts of it

  // NaN throughout for a name that no line has.
  std::vector<double> of(const std::string& name) const;
};

struct ReadoutRecord {
  double accuracy = 0.0;  // percent; NaN: not measured
  std::vector<double> tasks;
};

struct EvaluationRecord {
  double step = 0.0;
  bool task_end = false;
  std::map<std::string, ReadoutRecord> readouts;
  std::map<std::string, double> measures;  // those that are numbers
  std::vector<double> stored_by_task;
};

struct RunRecord {
  io::Path path;
  std::string name;  // of the directory
  std::vector<ConfigEntry> config;
  nlohmann::ordered_json environment;  // null: no env.json
  nlohmann::ordered_json status;
  nlohmann::ordered_json results;
  StepRecord steps;
  std::vector<EvaluationRecord> evaluations;
  std::string primary;  // the first readout; "" before any evaluation
  std::optional<ssl::Gallery> gallery;

  // "" for a key that is not there.
  std::string config_value(const std::string& key) const;
  // Of results.json: {"readouts", "knn", "forgetting"}; NaN where it is null or absent.
  double result(const std::vector<std::string>& path) const;
  // A[t][i] of the primary readout, rows of ended tasks; from the evaluations, so a run at work has one too.
  std::vector<std::vector<double>> accuracy_matrix() const;
};

RunRecord read_run(const io::Path& path);

}  // namespace nagare::apps
