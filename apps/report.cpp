#include "apps/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/console.h"
#include "ssl/eval/metrics.h"

namespace nagare::apps {
namespace {

std::string percent(double value) { return std::isfinite(value) ? fmt::format("{:.1f}", value) : "-"; }

std::string two_digits(double value) { return std::isfinite(value) ? fmt::format("{:.2f} %", value) : "-"; }

}  // namespace

std::string matrix_text(const std::string& readout, const ssl::AccuracyMatrix& matrix) {
  std::vector<std::vector<std::string>> rows(1, {readout + " % on"});
  for (std::size_t i = 0; i < matrix.size(); ++i) rows[0].push_back(fmt::format("task {}", i + 1));
  for (std::size_t t = 0; t < matrix.size(); ++t) {
    if (std::ranges::all_of(matrix[t], [](double a) { return std::isnan(a); })) continue;
    rows.push_back({fmt::format("after task {}", t + 1)});
    for (const double accuracy : matrix[t]) rows.back().push_back(percent(accuracy));
  }
  return rows.size() == 1 ? "" : table(rows);
}

std::string results_text(const RunSummary& summary) {
  const ssl::EvaluationTable& evaluations = summary.result.evaluations;
  const std::vector<std::string>& names = evaluations.readouts();
  const ssl::Evaluation untrained = evaluations.untrained();
  const ssl::Evaluation last = evaluations.last();
  std::string text = matrix_text(names.front(), evaluations.matrix(0));
  if (!text.empty()) text += "\n";
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < names.size(); ++i) {
    rows.push_back({names[i] + " of the untrained network", two_digits(untrained.readouts[i].accuracy)});
    rows.push_back({names[i] + " after training", two_digits(last.readouts[i].accuracy)});
  }
  const ssl::ContinualSummary continual = ssl::summarize(evaluations.matrix(0));
  if (std::isfinite(continual.average)) {
    rows.push_back({"average accuracy over tasks", fmt::format("{} %", percent(continual.average))});
    rows.push_back({"forgetting", fmt::format("{} points", percent(continual.forgetting))});
  }
  rows.push_back({"updates", std::to_string(summary.result.steps)});
  if (summary.training_seconds > 0) {
    rows.push_back({"images trained",
                    fmt::format("{} ({:.0f} per second)", summary.images_trained,
                                static_cast<double>(summary.images_trained) / summary.training_seconds)});
  }
  rows.push_back({"run directory", summary.out});
  return text + table(rows);
}

}  // namespace nagare::apps
