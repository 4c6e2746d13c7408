#include "apps/results.h"

#include <fmt/format.h>

#include <cmath>

#include "build_config.h"
#include "ssl/eval/metrics.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

// What the accuracy matrix of one readout says.
Json continual_json(const ssl::EvaluationTable& table, std::size_t readout) {
  const ssl::AccuracyMatrix matrix = table.matrix(readout);
  const ssl::ContinualSummary s = ssl::summarize(matrix);
  return {{"accuracy_matrix", matrix_json(matrix)},
          {"average_after_task", numbers_json(s.after_task)},
          {"average_accuracy", number_json(s.average)},
          {"average_incremental_accuracy", number_json(s.average_incremental)},
          {"average_over_stream", number_json(ssl::stream_average(table.overall(readout)))},
          {"area_under_curve", number_json(table.area(readout))},
          {"forgetting", number_json(s.forgetting)},
          {"forgetting_per_task", numbers_json(s.forgetting_per_task)},
          {"forgetting_all_rows", number_json(s.forgetting_all_rows)},
          {"forgetting_any_row", number_json(s.forgetting_any_row)},
          {"forgetting_diagonal", number_json(s.forgetting_diagonal)},
          {"forgetting_all_tasks", number_json(s.forgetting_all_tasks)},
          {"forgetting_relative", number_json(s.forgetting_relative)},
          {"backward_transfer", number_json(s.bwt)},
          {"forward_transfer",
           number_json(ssl::forward_transfer(matrix, table.untrained().readouts.at(readout).tasks))},
          {"knowledge_gain", number_json(s.knowledge_gain)}};
}

Json readouts_of_run(const ssl::EvaluationTable& table) {
  const std::vector<std::string>& names = table.readouts();
  const Json untrained = readouts_json(names, table.untrained().readouts, false);
  const Json final = readouts_json(names, table.last().readouts, false);
  Json all = Json::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    Json& readout = all[names[i]];
    readout = {{"untrained", untrained[names[i]]},
               {"final", final[names[i]]},
               {"overall", numbers_json(table.overall(i))}};
    readout.update(continual_json(table, i));
  }
  return all;
}

Json measures_of_run(const ssl::EvaluationTable& table) {
  Json after = Json::array();
  for (std::int64_t task = 0; task < table.tasks(); ++task)
    after.push_back(measures_json(table.after_task(task).measures));
  return {{"untrained", measures_json(table.untrained().measures)},
          {"final", measures_json(table.last().measures)},
          {"after_task", std::move(after)}};
}

}  // namespace

Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json numbers_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(number_json(value));
  return list;
}

Json matrix_json(const ssl::AccuracyMatrix& matrix) {
  Json list = Json::array();
  for (const auto& row : matrix) list.push_back(numbers_json(row));
  return list;
}

Json measures_json(const ssl::Measures& m) {
  return {{"rank", number_json(m.rank)},
          {"alignment", number_json(m.alignment)},
          {"uniformity", number_json(m.uniformity)},
          {"spread", number_json(m.spread)},
          {"mean_norm", number_json(m.mean_norm)}};
}

Json readouts_json(const std::vector<std::string>& names, const std::vector<ssl::ReadoutResult>& results,
                   bool with_settings) {
  Json all = Json::object();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ssl::ReadoutResult& result = results.at(i);
    Json& readout = all[names[i]];
    readout = {{"accuracy", number_json(result.accuracy)},
               {"top5", number_json(result.top5)},
               {"tasks", numbers_json(result.tasks)}};
    if (!with_settings) continue;
    readout["labelled"] = result.labelled;
    readout["setting"] = number_json(result.setting);
  }
  return all;
}

Json results_json(const RunSummary& summary) {
  const ssl::TrainResult& result = summary.result;
  const ssl::EvaluationTable& table = result.evaluations;
  const double rate = summary.training_seconds > 0
                          ? static_cast<double>(summary.images_trained) / summary.training_seconds
                          : NAN;
  const Manifest& m = summary.manifest;
  return {{"schema", kResultsSchema},
          {"version", kVersion},
          {"finished", result.finished},
          {"steps", result.steps},
          {"run", summary.out},
          {"method", m.method},
          {"strategy", m.strategy},
          {"model", m.model},
          {"data", m.data},
          {"stream", m.stream},
          {"class_order", m.class_order},
          {"stream_digest", fmt::format("{:016x}", summary.stream_digest)},
          {"seed", m.seed},
          {"precision", m.precision},
          {"tasks", table.tasks()},
          {"ended_tasks", table.ended_tasks()},
          {"task_classes", summary.task_classes},
          {"primary", table.readouts().front()},
          {"readouts", readouts_of_run(table)},
          {"measures", measures_of_run(table)},
          {"evaluations", Json::array()},
          {"images_trained", summary.images_trained},
          {"training_seconds", number_json(summary.training_seconds)},
          {"images_per_second", number_json(rate)},
          {"peak_memory_bytes", summary.peak_bytes}};
}

}  // namespace nagare::apps
