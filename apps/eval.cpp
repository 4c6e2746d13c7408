#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/checkpoint.h"
#include "apps/command.h"
#include "apps/report.h"
#include "apps/session.h"
#include "apps/trained_network.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

// The rows of ended tasks, as the training loop left them in the checkpoint: rows 1.. of [knn, top-5, task_knn...].
std::vector<std::vector<double>> recorded_matrix(const io::Path& checkpoint) {
  const Tensor table = load_evaluations(checkpoint);
  const std::int64_t tasks = table.shape()[0] - 2;
  const auto values = table.to_vector<double>();
  std::vector<std::vector<double>> matrix;
  for (std::int64_t task = 0; task < tasks; ++task) {
    const auto begin = values.begin() + (task + 1) * (tasks + 2);
    if (!std::isnan(*begin)) matrix.emplace_back(begin + 2, begin + 2 + tasks);
  }
  return matrix;
}

Json rows_json(const std::vector<std::vector<double>>& rows) {
  Json list = Json::array();
  for (const auto& row : rows) {
    list.push_back(Json::array());
    for (const double value : row) list.back().push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
  }
  return list;
}

}  // namespace

ExitCode run_eval(const Settings& settings, Console& console) {
  const TrainedNetwork network = open_network(settings, console);
  const Options& options = network.options;
  const ssl::Dataset data = load_data(options);
  const ssl::Stream stream = ssl::make_stream(data.train.labels, data.classes(), stream_options(options));
  console.note(
      fmt::format("{}, step {}, on {}", network.checkpoint.string(), network.manifest.step, options.data));
  const ssl::Evaluator evaluator(data, stream.task_classes, options.evaluation);
  const ssl::Evaluation evaluation = evaluator.evaluate(*network.backbone, network.input);
  const auto matrix = recorded_matrix(network.checkpoint);

  if (options.json) {
    const Json json = {{"schema", 1},
                       {"checkpoint", network.checkpoint.string()},
                       {"step", network.manifest.step},
                       {"data", options.data},
                       {"knn", evaluation.knn},
                       {"knn_top5", evaluation.knn_top5},
                       {"task_knn", rows_json({evaluation.task_knn}).front()},
                       {"seconds", evaluation.seconds},
                       {"accuracy_matrix", rows_json(matrix)}};
    console.result(json.dump(2) + "\n");
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows = {{"kNN", fmt::format("{:.2f} %", evaluation.knn)},
                                                {"kNN, top 5", fmt::format("{:.2f} %", evaluation.knn_top5)}};
  for (std::size_t task = 0; task < evaluation.task_knn.size(); ++task) {
    rows.push_back({fmt::format("kNN, classes of task {}", task + 1),
                    fmt::format("{:.2f} %", evaluation.task_knn[task])});
  }
  std::string text = table(rows);
  if (!matrix.empty()) text += "\nDuring training:\n" + matrix_text(matrix);
  console.result(text);
  return ExitCode::done;
}

}  // namespace nagare::apps
