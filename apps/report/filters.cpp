#include "apps/checkpoint.h"
#include "apps/report/figures.h"
#include "apps/report/tiles.h"
#include "engine/device/errors.h"
#include "engine/io/safetensors.h"

namespace nagare::apps {
namespace {

constexpr char kFirstConvolution[] = "conv1.weight";
constexpr std::int64_t kColumns = 16;

// (O, I, H, W) on disk, as torchvision writes it.
Html sheet(const RunRecord& run) {
  if (!has_checkpoint(run.path)) return missing("The run holds no checkpoint.");
  const io::Path path = newest_checkpoint(run.path) / "model.safetensors";
  const io::SafetensorsFile file = io::read_safetensors(path);
  if (file.find(kFirstConvolution) == nullptr) return missing("The model has no first convolution.");
  const Tensor weight = file.load(kFirstConvolution);
  const Shape& shape = weight.shape();
  if (weight.dtype() != DType::f32 || shape.rank() != 4 || shape[1] != 3) {
    throw BadData(path.string() + ": " + kFirstConvolution + " is " + to_string(shape) +
                  ", need (O, 3, H, W)");
  }
  const auto values = weight.to_vector<float>();
  const std::int64_t pixels = shape[2] * shape[3];
  std::vector<std::vector<std::uint8_t>> tiles;
  for (std::int64_t o = 0; o < shape[0]; ++o) {
    std::vector<float> tile(static_cast<std::size_t>(pixels * 3));
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        tile[static_cast<std::size_t>(p * 3 + c)] =
            values[static_cast<std::size_t>((o * 3 + c) * pixels + p)];
      }
    }
    tiles.push_back(around_grey(tile));
  }
  return picture(tiled(tiles, {.height = shape[2], .width = shape[3]}, kColumns),
                 std::to_string(shape[0]) + " filters of the first convolution", "pixels enlarged");
}

}  // namespace

Html first_filters(const Comparison& comparison) {
  Html all;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    all += of_run(comparison, r, sheet(comparison.runs[r]));
  }
  return all;
}

}  // namespace nagare::apps
