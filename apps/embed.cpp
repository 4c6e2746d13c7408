#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/session.h"
#include "apps/trained_network.h"
#include "engine/device/errors.h"
#include "engine/io/npy.h"
#include "engine/io/safetensors.h"

namespace nagare::apps {

ExitCode run_embed(const Settings& settings, Console& console) {
  const std::string& split_name = settings.options().split;
  if (split_name != "train" && split_name != "test")
    throw BadConfig("--split " + split_name + ": need train or test");
  if (settings.options().out.empty())
    throw UsageError("embed: --out NAME is missing: the files' name without ending");
  const TrainedNetwork network = open_network("embed", settings, console);
  const Options& options = network.options;
  const ssl::Dataset data = load_data(options);
  const ssl::Split& split = split_name == "train" ? data.train : data.test;
  if (split.size() == 0) throw BadData(options.data + ": there are no " + split_name + " images");

  const Tensor features =
      ssl::extract_features(*network.backbone, split.images, network.input, options.evaluation.batch);
  const Tensor labels = Tensor::from(split.labels.classes, {split.size()});
  const std::string matrix_file = options.out + ".npy";
  const std::string tensor_file = options.out + ".safetensors";
  io::write_safetensors(tensor_file, {{"features", features}, {"labels", labels}},
                        {{"nagare.data", options.data},
                         {"nagare.split", split_name},
                         {"nagare.checkpoint", network.checkpoint.path.string()},
                         {"nagare.step", std::to_string(network.checkpoint.manifest.step)}});
  io::write_npy(matrix_file, features);

  const std::int64_t width = features.shape()[1];
  if (options.json) {
    const nlohmann::ordered_json json = {{"schema", 1},
                                         {"images", split.size()},
                                         {"feature_dim", width},
                                         {"safetensors", tensor_file},
                                         {"npy", matrix_file}};
    console.result(json.dump(2) + "\n");
  } else {
    console.note(fmt::format("{} images, {} features each", split.size(), width));
    console.result(tensor_file + "\n" + matrix_file + "\n");
  }
  return ExitCode::done;
}

}  // namespace nagare::apps
