#include "apps/trained_network.h"

#include "apps/exit_code.h"
#include "apps/machine.h"
#include "engine/device/errors.h"

namespace nagare::apps {

TrainedNetwork open_network(const std::string& command, const Settings& settings, Console& console) {
  TrainedNetwork network;
  network.options = settings.options();
  Options& options = network.options;
  if (options.checkpoint.empty())
    throw UsageError(command + ": the run or checkpoint is missing\nsee nagare " + command + " --help");
  network.checkpoint = find_checkpoint(options.checkpoint);
  for (const RejectedCheckpoint& one : network.checkpoint.rejected)
    console.warning(one.reason + ": this checkpoint is not used, the one before is");
  const Manifest& manifest = network.checkpoint.manifest;
  if (!settings.is_set("data")) {
    options.data = manifest.data;
    if (!settings.is_set("data-labels")) options.data_labels = manifest.data_labels;
  }
  if (!settings.is_set("stream")) options.stream = manifest.stream;
  if (!settings.is_set("class-order")) options.class_order = manifest.class_order;
  if (!settings.is_set("seed")) options.seed = manifest.seed;
  if (settings.is_set("model") && options.model != manifest.model) {
    throw BadConfig("--model " + options.model + ": the checkpoint holds " + manifest.model +
                    "; leave the flag out");
  }

  const DeviceChoice choice = choose_device(options.device);
  if (!choice.note.empty()) console.note(choice.note);
  choose_threads(options.threads);
  // As in training, unless asked otherwise.
  const std::string precision = settings.is_set("precision") ? options.precision : manifest.precision;
  network.input = {.mean = manifest.mean,
                   .std = manifest.std,
                   .size = manifest.image_size,
                   .dtype = choose_precision(precision, choice.device),
                   .device = choice.device};
  network.backbone =
      models::make_backbone(manifest.model, {.image_size = manifest.image_size, .device = choice.device});
  load_network(network.checkpoint.path, manifest, *network.backbone);
  return network;
}

}  // namespace nagare::apps
