#include "apps/report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/console.h"
#include "ssl/eval/metrics.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(number(value));
  return list;
}

std::string percent(double value) { return std::isfinite(value) ? fmt::format("{:.1f}", value) : "-"; }

// A matrix that lacks rows (an early end) has no summary.
std::optional<ssl::ContinualSummary> summary_of(const ssl::TrainResult& result) {
  const auto& matrix = result.accuracy_matrix;
  if (matrix.empty() || matrix.size() != matrix.front().size()) return std::nullopt;
  return ssl::summarize(matrix);
}

Json evaluation_json(const ssl::Evaluation& evaluation) {
  return {{"knn", number(evaluation.knn)},
          {"knn_top5", number(evaluation.knn_top5)},
          {"task_knn", numbers(evaluation.task_knn)}};
}

}  // namespace

std::string results_json(const RunSummary& summary) {
  const ssl::TrainResult& result = summary.result;
  Json matrix = Json::array();
  for (const auto& row : result.accuracy_matrix) matrix.push_back(numbers(row));
  const auto continual = summary_of(result);
  const double rate = summary.training_seconds > 0
                          ? static_cast<double>(summary.images_trained) / summary.training_seconds
                          : NAN;
  const Manifest& m = summary.manifest;
  const Json json = {
      {"schema", 1},
      {"finished", result.finished},
      {"steps", result.steps},
      {"run", summary.out},
      {"method", m.method},
      {"strategy", m.strategy},
      {"model", m.model},
      {"data", m.data},
      {"stream", m.stream},
      {"seed", m.seed},
      {"precision", m.precision},
      {"untrained", evaluation_json(result.untrained)},
      {"final", evaluation_json(result.final)},
      {"accuracy_matrix", std::move(matrix)},
      {"average_accuracy", continual ? number(continual->average) : Json(nullptr)},
      {"average_incremental_accuracy", continual ? number(continual->average_incremental) : Json(nullptr)},
      {"forgetting", continual ? number(continual->forgetting) : Json(nullptr)},
      {"images_trained", summary.images_trained},
      {"training_seconds", number(summary.training_seconds)},
      {"images_per_second", number(rate)},
      {"peak_memory_bytes", summary.peak_bytes}};
  return json.dump(2) + "\n";
}

std::string matrix_text(const std::vector<std::vector<double>>& matrix) {
  if (matrix.empty()) return "";
  std::vector<std::vector<std::string>> rows(1, {"kNN % on"});
  for (std::size_t i = 0; i < matrix.front().size(); ++i) rows[0].push_back(fmt::format("task {}", i + 1));
  for (std::size_t t = 0; t < matrix.size(); ++t) {
    rows.push_back({fmt::format("after task {}", t + 1)});
    for (const double accuracy : matrix[t]) rows.back().push_back(percent(accuracy));
  }
  return table(rows);
}

std::string results_text(const RunSummary& summary) {
  const ssl::TrainResult& result = summary.result;
  std::string text = matrix_text(result.accuracy_matrix);
  if (!text.empty()) text += "\n";
  std::vector<std::vector<std::string>> rows = {
      {"kNN of the untrained network", fmt::format("{:.2f} %", result.untrained.knn)},
      {"kNN after training", fmt::format("{:.2f} %", result.final.knn)}};
  if (const auto continual = summary_of(result)) {
    rows.push_back({"average accuracy over tasks", fmt::format("{} %", percent(continual->average))});
    rows.push_back({"forgetting", fmt::format("{} points", percent(continual->forgetting))});
  }
  rows.push_back({"updates", std::to_string(result.steps)});
  if (summary.training_seconds > 0) {
    rows.push_back({"images trained",
                    fmt::format("{} ({:.0f} per second)", summary.images_trained,
                                static_cast<double>(summary.images_trained) / summary.training_seconds)});
  }
  rows.push_back({"run directory", summary.out});
  return text + table(rows);
}

}  // namespace nagare::apps
