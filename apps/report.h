#pragma once
// The end of a run, for people.
#include <string>

#include "apps/results.h"

namespace nagare::apps {

// Accuracies before and after, the matrix of the first readout, forgetting, the run directory.
std::string results_text(const RunSummary& summary);

// Rows: after task t; columns: accuracy on the classes of task i. `readout` names the number in the corner.
std::string matrix_text(const std::string& readout, const ssl::AccuracyMatrix& matrix);

}  // namespace nagare::apps
