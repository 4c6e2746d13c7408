#include <algorithm>

#include "apps/checkpoint.h"
#include "apps/report/figures.h"
#include "apps/report/tiles.h"
#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "models/resnet.h"
#include "ssl/augment/augmenter.h"

namespace nagare::apps {
namespace {

constexpr std::int64_t kChannels = 32;  // shown, the first ones
constexpr std::int64_t kColumns = 16;

const Tensor& block_of(const models::ResNetStages& stages, const std::string& block) {
  if (block == "stem") return stages.stem;
  for (std::size_t i = 0; i < stages.layers.size(); ++i) {
    if (block == "layer" + std::to_string(i + 1)) return stages.layers[i];
  }
  throw BadConfig("--block " + block + ": need stem, layer1, layer2, layer3 or layer4");
}

// The first channels of image n, each on its own scale.
ssl::Image maps_of(const Tensor& activations, std::int64_t n) {
  const Shape& shape = activations.shape();  // (N, H, W, C)
  const std::int64_t pixels = shape[1] * shape[2];
  const auto values = activations.rows(n, 1).to_vector<float>();
  std::vector<std::vector<std::uint8_t>> tiles;
  for (std::int64_t c = 0; c < std::min(kChannels, shape[3]); ++c) {
    std::vector<float> plane;
    for (std::int64_t p = 0; p < pixels; ++p)
      plane.push_back(values[static_cast<std::size_t>(p * shape[3] + c)]);
    tiles.push_back(heat(plane));
  }
  return tiled(tiles, {.height = shape[1], .width = shape[2]}, kColumns);
}

Html sheet(const RunRecord& run, const std::string& block) {
  if (!run.gallery) return missing("The run has kept no gallery.");
  if (!has_checkpoint(run.path)) return missing("The run holds no checkpoint.");
  const FoundCheckpoint checkpoint = newest_checkpoint(run.path);
  const Manifest& manifest = checkpoint.manifest;
  const auto backbone = models::make_backbone(manifest.model, {.image_size = manifest.image_size});
  auto* network = dynamic_cast<models::ResNet*>(backbone.get());
  if (network == nullptr) return missing("The model " + manifest.model + " does not show its blocks.");
  load_network(checkpoint.path, manifest, *network);
  const Tensor& images = run.gallery->map_images;
  const tape::NoGrad guard;
  const models::ResNetStages stages = network->forward_stages(
      ssl::evaluation_images(images, manifest.mean, manifest.std, manifest.image_size, DType::f32), false);
  Html rows;
  for (std::int64_t n = 0; n < images.shape()[0]; ++n) {
    rows += element(
        "div", {{"class", "strip"}},
        picture(image_at(images, n), "image " + std::to_string(n + 1), "pixels source") +
            picture(maps_of(block_of(stages, block), n), "its feature maps in " + block, "pixels enlarged"));
  }
  return rows;
}

}  // namespace

Html feature_maps(const Comparison& comparison) {
  Html all;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    all += of_run(comparison, r, sheet(comparison.runs[r], comparison.block));
  }
  return all;
}

}  // namespace nagare::apps
