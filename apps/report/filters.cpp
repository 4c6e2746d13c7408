#include <string>
#include <utility>
#include <vector>

#include "apps/checkpoint.h"
#include "apps/report/figures.h"
#include "apps/report/tiles.h"
#include "engine/device/errors.h"
#include "engine/io/safetensors.h"

namespace nagare::apps {
namespace {

constexpr std::int64_t kColumns = 16;

// The network's own, or those of a progressive network's columns.
std::vector<std::string> first_convolutions(const io::SafetensorsFile& file) {
  if (file.find("conv1.weight") != nullptr) return {"conv1.weight"};
  std::vector<std::string> names;
  while (true) {
    std::string name = "columns." + std::to_string(names.size()) + ".conv1.weight";
    if (file.find(name) == nullptr) return names;
    names.push_back(std::move(name));
  }
}

// (O, I, H, W) on disk, as torchvision writes it.
Html sheet_of(const io::Path& path, const std::string& name, const Tensor& weight,
              const std::string& caption) {
  const Shape& shape = weight.shape();
  if (weight.dtype() != DType::f32 || shape.rank() != 4 || shape[1] != 3) {
    throw BadData(path.string() + ": " + name + " is " + to_string(shape) + ", need (O, 3, H, W)");
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
                 std::to_string(shape[0]) + " filters of the first convolution" + caption, "pixels enlarged");
}

Html sheets(const RunRecord& run) {
  if (!has_checkpoint(run.path)) return missing("The run holds no checkpoint.");
  const io::Path path = newest_checkpoint(run.path).path / kModelName;
  const io::SafetensorsFile file = io::read_safetensors(path);
  const std::vector<std::string> names = first_convolutions(file);
  if (names.empty()) return missing("The model has no first convolution.");
  Html all;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const std::string column = names.size() == 1 ? "" : ", column of task " + std::to_string(k + 1);
    all += sheet_of(path, names[k], file.load(names[k]), column);
  }
  return all;
}

}  // namespace

Html first_filters(const Comparison& comparison) {
  Html all;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    all += of_run(comparison, r, sheets(comparison.runs[r]));
  }
  return all;
}

}  // namespace nagare::apps
