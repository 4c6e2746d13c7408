#pragma once
// What an evaluation finds out. NaN stands for what was not measured.
#include <cstdint>
#include <limits>
#include <vector>

namespace nagare::ssl {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

// One readout's accuracies, in percent of the queries.
struct ReadoutResult {
  double accuracy = kNotMeasured;  // of all queries
  double top5 = kNotMeasured;      // whose class is among the five best; not of every readout
  std::vector<double> tasks = {};  // of the queries of each task's classes; NaN for a task without queries
  std::int64_t labelled = 0;       // training images whose labels were used
  double setting = kNotMeasured;   // what was chosen: k of a kNN, lambda of a ridge, epochs of a trained one
};

// What features look like, without labels; definitions: representation.h.
struct Measures {
  double rank = kNotMeasured;
  double alignment = kNotMeasured;
  double uniformity = kNotMeasured;
  double spread = kNotMeasured;     // Collapse::std
  double mean_norm = kNotMeasured;  // Collapse::mean_norm
};

struct Evaluation {
  std::vector<ReadoutResult> readouts = {};  // in the order in which they were asked for
  Measures measures = {};
  double seconds = 0.0;
};

}  // namespace nagare::ssl
