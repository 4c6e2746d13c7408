#pragma once
// results.json and the objects of evaluations in it and in metrics.jsonl: docs/results.md lists every field, and a test
// compares the two. Numbers that do not exist (forgetting of one task, an accuracy not measured) are null.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/checkpoint.h"
#include "ssl/eval/scores.h"
#include "ssl/train/trainer.h"

namespace nagare::apps {

inline constexpr int kResultsSchema = 2;

struct RunSummary {
  const ssl::TrainResult& result;
  std::int64_t images_trained = 0;
  double training_seconds = 0.0;
  std::size_t peak_bytes = 0;
  std::string out;
  const Manifest& manifest;
  std::uint64_t stream_digest = 0;
  const std::vector<std::vector<std::int64_t>>& task_classes;
};

nlohmann::ordered_json results_json(const RunSummary& summary);

// {"accuracy", "top5", "tasks"} by readout; with "labelled" and "setting" for an evaluation that has just been made.
nlohmann::ordered_json readouts_json(const std::vector<std::string>& names,
                                     const std::vector<ssl::ReadoutResult>& results, bool with_settings);
nlohmann::ordered_json measures_json(const ssl::Measures& measures);
nlohmann::ordered_json matrix_json(const ssl::AccuracyMatrix& matrix);
nlohmann::ordered_json numbers_json(const std::vector<double>& values);
nlohmann::ordered_json number_json(double value);

}  // namespace nagare::apps
