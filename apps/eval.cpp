#include <fmt/format.h>

#include <algorithm>
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

std::string percent(double value) { return std::isfinite(value) ? fmt::format("{:.2f}", value) : "-"; }

}  // namespace

ExitCode run_eval(const Settings& settings, Console& console) {
  const TrainedNetwork network = open_network(settings, console);
  const Options& options = network.options;
  const ssl::Dataset data = load_data(options);
  const ssl::Stream stream = ssl::make_stream(data, stream_options(options));
  console.note(
      fmt::format("{}, step {}, on {}", network.checkpoint.string(), network.manifest.step, options.data));
  const ssl::Evaluator evaluator(data, stream.task_classes, evaluation_options(options));
  const std::vector<std::string> names = evaluator.readout_names();
  const ssl::Evaluation evaluation = evaluator.evaluate(
      *network.backbone, network.input, std::min(network.manifest.task + 1, evaluator.tasks()));
  const ssl::EvaluationTable recorded = load_evaluations(network.checkpoint, network.manifest);

  if (options.json) {
    const Json json = {{"schema", kResultsSchema},
                       {"checkpoint", network.checkpoint.string()},
                       {"step", network.manifest.step},
                       {"data", options.data},
                       {"primary", names.front()},
                       {"readouts", readouts_json(names, evaluation.readouts, true)},
                       {"measures", measures_json(evaluation.measures)},
                       {"seconds", evaluation.seconds},
                       {"accuracy_matrix", matrix_json(recorded.matrix(0))}};
    console.result(json.dump(2) + "\n");
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows = {{"readout", "accuracy", "top 5"}};
  for (std::size_t task = 0; task < stream.task_classes.size(); ++task)
    rows[0].push_back(fmt::format("task {}", task + 1));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ssl::ReadoutResult& result = evaluation.readouts[i];
    rows.push_back({names[i], percent(result.accuracy), percent(result.top5)});
    for (const double accuracy : result.tasks) rows.back().push_back(percent(accuracy));
  }
  std::string text = table(rows);
  const std::string matrix = matrix_text(recorded.readouts().front(), recorded.matrix(0));
  if (!matrix.empty()) text += "\nDuring training:\n" + matrix;
  console.result(text);
  return ExitCode::done;
}

}  // namespace nagare::apps
