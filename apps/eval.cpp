#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/checkpoint.h"
#include "apps/command.h"
#include "apps/ignored_options.h"
#include "apps/report.h"
#include "apps/run_directory.h"
#include "apps/session.h"
#include "apps/trained_network.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/io/json_text.h"
#include "engine/io/safetensors.h"
#include "engine/text/printable.h"
#include "ssl/eval/network_cka.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(double value, const char* form = "{:.2f}") {
  return std::isfinite(value) ? fmt::format(fmt::runtime(form), value) : "-";
}

std::string readouts_text(const std::vector<std::string>& names, const ssl::Evaluation& evaluation,
                          std::int64_t tasks) {
  std::vector<std::vector<std::string>> rows = {{"readout, %", "all", "top 5"}};
  for (std::int64_t task = 0; tasks > 1 && task < tasks; ++task)
    rows[0].push_back(fmt::format("task {}", task + 1));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ssl::ReadoutResult& result = evaluation.readouts[i];
    rows.push_back({names[i], shown(result.accuracy), shown(result.top5)});
    for (const double accuracy : result.tasks) {
      if (tasks > 1) rows.back().push_back(shown(accuracy));
    }
  }
  return table(rows);
}

std::string measures_text(const ssl::Measures& m) {
  if (std::isnan(m.rank)) return "";
  return "\n" + table({{"effective rank", shown(m.rank)},
                       {"alignment", shown(m.alignment, "{:.4f}")},
                       {"uniformity", shown(m.uniformity, "{:.4f}")},
                       {"spread", shown(m.spread, "{:.4f}")},
                       {"length of the mean", shown(m.mean_norm, "{:.4f}")}});
}

std::string cka_matrix_text(const std::vector<std::string>& names, const ssl::AccuracyMatrix& matrix) {
  std::vector<std::vector<std::string>> rows(1, {"CKA"});
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    rows.push_back({names[i]});
    for (const double value : matrix[i]) rows.back().push_back(shown(value, "{:.3f}"));
  }
  return table(rows);
}

// A document and what people read instead of it.
struct Part {
  Json json;
  std::string text;
};

// The first hidden layer of the checkpoint's projector, where a readout asks for it and there is one.
std::optional<ssl::HiddenLayer> hidden_layer(const TrainedNetwork& network, const ssl::Evaluator& evaluator) {
  if (!evaluator.needs_hidden_layer()) return std::nullopt;
  const io::SafetensorsFile state = read_state(network.checkpoint);
  return ssl::HiddenLayer::of(
      [&](const std::string& name) {
        return state.find("method." + name) == nullptr ? Tensor() : state.load("method." + name);
      },
      network.input.device);
}

// The network on other sources, each of them one task with its own training images.
Part judge_elsewhere(const TrainedNetwork& network) {
  Part part{.json = Json::array(), .text = ""};
  for (const std::string& spec : network.options.ood) {
    Options options = network.options;
    options.data = spec;
    const ssl::Dataset data = load_data(options);
    std::vector<std::int64_t> classes;
    for (std::int64_t c = 0; c < data.classes(); ++c) classes.push_back(c);
    const ssl::Evaluator evaluator(data, {.classes = {classes}}, evaluation_options(options));
    const std::optional<ssl::HiddenLayer> hidden = hidden_layer(network, evaluator);
    const ssl::Evaluation evaluation =
        evaluator.evaluate(*network.backbone, network.input, 1, hidden ? &*hidden : nullptr);
    const std::vector<std::string> names = evaluator.readout_names();
    part.json.push_back({{"data", spec},
                         {"classes", data.classes()},
                         {"readouts", readouts_json(names, evaluation.readouts, true)},
                         {"seconds", evaluation.seconds}});
    part.text += fmt::format("\n{}, {} classes:\n", printable(spec), data.classes()) +
                 readouts_text(names, evaluation, 1);
  }
  return part;
}

// Blocks of the network that was judged, and every block over the checkpoints of its run.
Part compare_networks(const TrainedNetwork& network, const ssl::Evaluator& evaluator) {
  const Options& options = network.options;
  const Tensor& all = evaluator.query_images();
  const std::int64_t most = options.evaluation.measure_images;
  const Tensor images = most > 0 && most < all.shape()[0] ? all.rows(0, most) : all;
  const auto blocks_of = [&](models::Backbone& backbone) {
    return ssl::block_features(backbone, images, network.input, options.evaluation.batch);
  };
  const ssl::BlockFeatures own = blocks_of(*network.backbone);
  const io::Path run = network.checkpoint.path.parent_path().parent_path();
  std::vector<ssl::BlockFeatures> networks;
  std::vector<std::int64_t> steps;
  std::vector<std::string> names;
  std::vector<double> distances;
  std::unique_ptr<models::Backbone> before;
  for (const io::Path& checkpoint : list_checkpoints(run)) {
    const Manifest manifest = read_manifest(checkpoint);
    auto backbone = models::make_backbone(
        manifest.model, {.image_size = manifest.image_size, .device = network.input.device});
    load_network(checkpoint, manifest, *backbone);
    networks.push_back(blocks_of(*backbone));
    steps.push_back(manifest.step);
    names.push_back(fmt::format("step {}", manifest.step));
    if (before != nullptr) distances.push_back(ssl::parameter_distance(*before, *backbone));
    before = std::move(backbone);
  }
  const ssl::AccuracyMatrix between_blocks = ssl::cka_between_blocks(own, own);
  const std::vector<ssl::AccuracyMatrix> between_checkpoints = ssl::cka_between_networks(networks);
  Part part{.json = {{"images", images.shape()[0]},
                     {"blocks", own.names},
                     {"between_blocks", matrix_json(between_blocks)},
                     {"checkpoints", steps},
                     {"between_checkpoints", Json::array()},
                     {"parameter_distances", numbers_json(distances)}},
            .text = "\nBlocks of this network:\n" + cka_matrix_text(own.names, between_blocks)};
  for (std::size_t block = 0; block < between_checkpoints.size(); ++block) {
    part.json["between_checkpoints"].push_back(matrix_json(between_checkpoints[block]));
    if (networks.size() > 1)
      part.text += "\n" + own.names[block] + ":\n" + cka_matrix_text(names, between_checkpoints[block]);
  }
  return part;
}

// The run that --save writes to.
io::Path run_to_save_in(const Options& options) {
  if (RunDirectory::inspect(options.checkpoint) != RunDirectory::Kind::run) {
    throw UsageError("--save: " + printable(options.checkpoint) +
                     " is not a run directory; name the run, whose newest checkpoint is judged");
  }
  RunDirectory::check(options.checkpoint, /*resume=*/true);
  return options.checkpoint;
}

void save(const io::Path& path, const Json& document) {
  RunDirectory run(path, /*resume=*/true);
  const io::Path file = path / "results.json";
  if (io::exists(file)) {
    Json results = io::read_object(file);
    if (!results.contains("schema") || results["schema"] != kResultsSchema ||
        !results.contains("evaluations") || !results["evaluations"].is_array())
      throw BadData(printable(file.string()) + ": not results of schema " + std::to_string(kResultsSchema));
    results["evaluations"].push_back(document);
    run.write("results.json", results.dump(2) + "\n");
  }
  const Json line = {{"kind", "saved_evaluation"},
                     {"step", document["step"]},
                     {"wall", io::wall_seconds()},
                     {"evaluation", document}};
  run.add_metrics(line.dump());
}

}  // namespace

ExitCode run_eval(const Settings& settings, Console& console) {
  refuse_ignored_evaluation(settings);  // before anything is read
  const TrainedNetwork network = open_network("eval", settings, console);
  const Options& options = network.options;
  const io::Path saved = options.save ? run_to_save_in(options) : io::Path();
  const ssl::Dataset data = load_data(options);
  const ssl::Stream stream = ssl::make_stream(data, stream_options(options));
  console.note(fmt::format("{}, step {}, on {}", network.checkpoint.path.string(),
                           network.checkpoint.manifest.step, options.data));
  const ssl::Evaluator evaluator(data, {stream.task_classes, stream.task_domains},
                                 evaluation_options(options));
  const std::vector<std::string> names = evaluator.readout_names();
  const std::optional<ssl::HiddenLayer> hidden = hidden_layer(network, evaluator);
  const ssl::Evaluation evaluation = evaluator.evaluate(
      *network.backbone, network.input, std::min(network.checkpoint.manifest.task + 1, evaluator.tasks()),
      hidden ? &*hidden : nullptr);
  const ssl::EvaluationTable recorded = load_evaluations(network.checkpoint);
  const Part elsewhere = judge_elsewhere(network);
  const Part cka = options.cka ? compare_networks(network, evaluator) : Part{.json = nullptr, .text = ""};

  const Json json = {{"schema", kResultsSchema},
                     {"checkpoint", network.checkpoint.path.string()},
                     {"step", network.checkpoint.manifest.step},
                     {"data", options.data},
                     {"primary", names.front()},
                     {"readouts", readouts_json(names, evaluation.readouts, true)},
                     {"measures", measures_json(evaluation.measures)},
                     {"seconds", evaluation.seconds},
                     {"accuracy_matrix", matrix_json(recorded.matrix(0))},
                     {"ood", elsewhere.json},
                     {"cka", cka.json}};
  if (options.save) save(saved, json);
  if (options.json) {
    console.result(json.dump(2) + "\n");
    return ExitCode::done;
  }
  std::string text = readouts_text(names, evaluation, evaluator.tasks()) + measures_text(evaluation.measures);
  const std::string matrix = matrix_text(recorded.readouts().front(), recorded.matrix(0));
  if (!matrix.empty()) text += "\nDuring training:\n" + matrix;
  console.result(text + elsewhere.text + cka.text);
  return ExitCode::done;
}

}  // namespace nagare::apps
