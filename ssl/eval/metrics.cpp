#include "ssl/eval/metrics.h"

#include <cmath>
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

// The best accuracy on task i in rows [begin, end); NaN when one of them is.
double best(const AccuracyMatrix& accuracy, std::size_t i, std::size_t begin, std::size_t end) {
  double found = accuracy[begin][i];
  for (std::size_t t = begin + 1; t < end; ++t) {
    const double value = accuracy[t][i];
    if (std::isnan(value) || value > found) found = value;
    if (std::isnan(found)) break;
  }
  return found;
}

// mean over i < T - 1 of term(i).
template <class Term>
double mean_over_old_tasks(std::size_t tasks, const Term& term) {
  std::vector<double> terms;
  for (std::size_t i = 0; i + 1 < tasks; ++i) terms.push_back(term(i));
  return mean(terms);
}

}  // namespace

ContinualSummary summarize(const AccuracyMatrix& accuracy) {
  const std::size_t tasks = checked_tasks("summarize", accuracy);
  const std::vector<double>& last = accuracy.back();
  ContinualSummary summary;
  summary.average = mean(last);
  double lost = 0.0;
  for (std::size_t t = 0; t < tasks; ++t) {
    const auto begin = accuracy[t].begin();
    summary.after_task.push_back(mean({begin, begin + static_cast<std::ptrdiff_t>(t + 1)}));
    lost += accuracy[t][t] - last[t];
    if (t + 1 < tasks) summary.forgetting_per_task.push_back(best(accuracy, t, t, tasks - 1) - last[t]);
  }
  summary.average_incremental = mean(summary.after_task);
  summary.forgetting = mean(summary.forgetting_per_task);
  summary.forgetting_all_tasks = lost / static_cast<double>(tasks);
  const auto over_old = [&](const auto& term) { return mean_over_old_tasks(tasks, term); };
  summary.forgetting_all_rows =
      over_old([&](std::size_t i) { return best(accuracy, i, i, tasks) - last[i]; });
  summary.forgetting_any_row = over_old([&](std::size_t i) { return best(accuracy, i, 0, tasks) - last[i]; });
  summary.bwt = over_old([&](std::size_t i) { return last[i] - accuracy[i][i]; });
  summary.forgetting_diagonal = -summary.bwt;
  summary.forgetting_relative =
      over_old([&](std::size_t i) { return 100.0 * (accuracy[i][i] - last[i]) / accuracy[i][i]; });
  summary.knowledge_gain =
      over_old([&](std::size_t i) { return accuracy[i + 1][i + 1] - accuracy[i][i + 1]; });
  return summary;
}

double forward_transfer(const AccuracyMatrix& accuracy, const std::vector<double>& untrained) {
  const std::size_t tasks = checked_tasks("forward_transfer", accuracy);
  if (untrained.size() != tasks) {
    throw std::invalid_argument("forward_transfer: " + std::to_string(untrained.size()) +
                                " accuracies of the untrained network, need " + std::to_string(tasks));
  }
  return mean_over_old_tasks(tasks, [&](std::size_t i) { return accuracy[i][i + 1] - untrained[i + 1]; });
}

double stream_average(const std::vector<double>& overall) { return mean(overall); }

}  // namespace nagare::ssl
