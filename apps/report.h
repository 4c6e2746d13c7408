#pragma once
// The end of a run, for people and for programs.
#include <cstddef>
#include <cstdint>
#include <string>

#include "apps/checkpoint.h"
#include "ssl/train/trainer.h"

namespace nagare::apps {

struct RunSummary {
  const ssl::TrainResult& result;
  std::int64_t images_trained = 0;
  double training_seconds = 0.0;
  std::size_t peak_bytes = 0;
  std::string out;
  const Manifest& manifest;
};

// results.json. Numbers that do not exist (forgetting of one task) are null.
std::string results_json(const RunSummary& summary);
// kNN before and after, the accuracy matrix, forgetting, the run directory.
std::string results_text(const RunSummary& summary);

// Rows: after task t; columns: accuracy on the classes of task i.
std::string matrix_text(const std::vector<std::vector<double>>& matrix);

}  // namespace nagare::apps
