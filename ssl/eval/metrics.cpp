#include "ssl/eval/metrics.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace nagare::ssl {
namespace {

// The tasks of a square, non-empty matrix.
std::size_t checked_tasks(const char* who, const AccuracyMatrix& accuracy) {
  const std::size_t tasks = accuracy.size();
  if (tasks == 0) throw std::invalid_argument(std::string(who) + ": the accuracy matrix is empty");
  for (std::size_t t = 0; t < tasks; ++t) {
    if (accuracy[t].size() != tasks) {
      throw std::invalid_argument(std::string(who) + ": row " + std::to_string(t) +
                                  " of the accuracy matrix has " + std::to_string(accuracy[t].size()) +
                                  " entries, need " + std::to_string(tasks));
    }
  }
  return tasks;
}

double mean(const std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0.0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// The best accuracy on task i in rows [i, end).
double best(const AccuracyMatrix& accuracy, std::size_t i, std::size_t end) {
  double found = accuracy[i][i];
  for (std::size_t t = i + 1; t < end; ++t) found = std::max(found, accuracy[t][i]);
  return found;
}

}  // namespace

ContinualSummary summarize(const AccuracyMatrix& accuracy) {
  const std::size_t tasks = checked_tasks("summarize", accuracy);
  const std::vector<double>& last = accuracy.back();
  ContinualSummary summary;
  summary.average = mean(last);
  std::vector<double> incremental;
  std::vector<double> all_rows;
  std::vector<double> transfer;
  for (std::size_t t = 0; t < tasks; ++t) {
    incremental.push_back(
        mean({accuracy[t].begin(), accuracy[t].begin() + static_cast<std::ptrdiff_t>(t + 1)}));
    if (t + 1 == tasks) break;
    summary.forgetting_per_task.push_back(best(accuracy, t, tasks - 1) - last[t]);
    all_rows.push_back(best(accuracy, t, tasks) - last[t]);
    transfer.push_back(last[t] - accuracy[t][t]);
  }
  summary.average_incremental = mean(incremental);
  summary.forgetting = mean(summary.forgetting_per_task);
  summary.forgetting_all_rows = mean(all_rows);
  summary.bwt = mean(transfer);
  summary.forgetting_diagonal = -summary.bwt;
  return summary;
}

double forward_transfer(const AccuracyMatrix& accuracy, const std::vector<double>& untrained) {
  const std::size_t tasks = checked_tasks("forward_transfer", accuracy);
  if (untrained.size() != tasks) {
    throw std::invalid_argument("forward_transfer: " + std::to_string(untrained.size()) +
                                " accuracies of the untrained network, need " + std::to_string(tasks));
  }
  std::vector<double> gains;
  for (std::size_t i = 1; i < tasks; ++i) gains.push_back(accuracy[i - 1][i] - untrained[i]);
  return mean(gains);
}

}  // namespace nagare::ssl
