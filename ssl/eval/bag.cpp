#include "ssl/eval/bag.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/text/printable.h"
#include "ssl/augment/augmenter.h"
#include "ssl/augment/recipes.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kWindows = 5;  // along a side

// Top left corner of a window of half the side.
struct Corner {
  std::int64_t top;
  std::int64_t left;
};

std::vector<Corner> corners(const std::string& patches, std::int64_t side) {
  const std::int64_t room = side - side / 2;
  if (patches == "centre") return {{room / 2, room / 2}};
  std::vector<Corner> all;
  for (std::int64_t y = 0; y < kWindows; ++y) {
    for (std::int64_t x = 0; x < kWindows; ++x)
      all.push_back({y * room / (kWindows - 1), x * room / (kWindows - 1)});
  }
  return all;
}

// The window of every image: (B, side / 2, side / 2, 3).
Tensor windows(const Tensor& images, const Corner& corner) {
  const std::int64_t side = images.shape()[1];
  const std::int64_t half = std::max<std::int64_t>(1, side / 2);
  const Tensor cut = Tensor::empty({images.shape()[0], half, half, 3}, {.dtype = DType::u8});
  const auto* from = images.data<std::uint8_t>();
  auto* to = cut.data<std::uint8_t>();
  for (std::int64_t i = 0; i < images.shape()[0]; ++i) {
    for (std::int64_t y = 0; y < half; ++y) {
      std::memcpy(to + (i * half + y) * half * 3,
                  from + ((i * side + corner.top + y) * side + corner.left) * 3,
                  static_cast<std::size_t>(half) * 3);
    }
  }
  return cut;
}

// Patch-major pixels of some images: row v * B + i.
Tensor drawn_patches(const Tensor& images, std::int64_t first, const FeatureInput& input,
                     const BagOptions& options, const BagDraw& draw) {
  ViewRecipe recipe = emp_ssl_recipe(input.size);
  recipe.mean = input.mean;
  recipe.std = input.std;
  const ViewPlan plan{.views = std::vector<ViewRecipe>(static_cast<std::size_t>(options.count), recipe)};
  std::vector<std::int64_t> ids(static_cast<std::size_t>(images.shape()[0]));
  std::iota(ids.begin(), ids.end(), first);
  return Augmenter(evaluation_seed(draw.seed))
      .apply({.images = images.to(input.device), .ids = ids}, plan, draw.draw, input.dtype)
      .images;
}

Tensor placed_patches(const Tensor& images, const std::vector<Corner>& places, const FeatureInput& input) {
  std::vector<Tensor> parts;
  for (const Corner& corner : places) {
    parts.push_back(evaluation_images(windows(images, corner).to(input.device), input.mean, input.std,
                                      input.size, input.dtype));
  }
  return concat(parts, 0);
}

}  // namespace

void BagOptions::check() const {
  if (feature != "backbone" && feature != "hidden") {
    throw BadConfig("bag of patches: feature \"" + printable(feature) + "\", need backbone or hidden");
  }
  if ((patches == "random" || patches == "grid" || patches == "centre") && count >= 1) return;
  throw BadConfig("bag of patches: " + std::to_string(count) + " of kind \"" + printable(patches) +
                  "\", need at least 1 of random, grid or centre");
}

Tensor bag_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                    const BagOptions& options, const BagDraw& draw, const HiddenLayer* hidden) {
  options.check();
  const tape::NoGrad no_grad;
  const bool random = options.patches == "random";
  const std::vector<Corner> places = corners(options.patches, images.shape()[1]);
  const std::int64_t patches = random ? options.count : static_cast<std::int64_t>(places.size());
  const std::int64_t at_once = std::max<std::int64_t>(1, draw.batch / patches);
  const std::int64_t count = images.shape()[0];
  const std::int64_t dim = hidden == nullptr ? backbone.feature_dim() : hidden->dim();
  const Tensor features = Tensor::empty({count, dim});
  for (std::int64_t begin = 0; begin < count; begin += at_once) {
    input.go_on();
    const std::int64_t size = std::min(at_once, count - begin);
    const Tensor some = images.rows(begin, size);
    const Tensor pixels =
        random ? drawn_patches(some, begin, input, options, draw) : placed_patches(some, places, input);
    const Tensor seen = backbone.forward(pixels, /*training=*/false);
    const Tensor rows = cast(hidden == nullptr ? seen : hidden->forward(seen), DType::f32);
    features.rows(begin, size).copy_from(mean_outer(reshape(rows, {patches, size, dim})));
  }
  return features;
}

}  // namespace nagare::ssl
