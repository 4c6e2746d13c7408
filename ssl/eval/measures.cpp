#include "ssl/eval/measures.h"

#include <algorithm>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "ssl/augment/augmenter.h"
#include "ssl/augment/recipes.h"
#include "ssl/eval/labelled_subset.h"
#include "ssl/eval/representation.h"

namespace nagare::ssl {
namespace {

// Features of two views of every image of `ids`.
std::pair<Tensor, Tensor> pairs(const NetworkView& network, const std::vector<std::int64_t>& ids,
                                std::uint64_t seed) {
  const tape::NoGrad no_grad;
  ViewRecipe recipe = simsiam_recipe(network.input.size);
  recipe.mean = network.input.mean;
  recipe.std = network.input.std;
  const Augmenter augmenter(evaluation_seed(seed));
  const auto count = static_cast<std::int64_t>(ids.size());
  const Tensor first = Tensor::empty({count, network.backbone.feature_dim()});
  const Tensor second = Tensor::empty(first.shape());
  const std::int64_t at_once = std::max<std::int64_t>(1, network.batch / 2);
  for (std::int64_t begin = 0; begin < count; begin += at_once) {
    const std::int64_t size = std::min(at_once, count - begin);
    const std::vector<std::int64_t> some(ids.begin() + begin, ids.begin() + begin + size);
    const Batch batch{.images = pick_images(network.query_images, some).to(network.input.device),
                      .ids = some};
    const Views views = augmenter.apply(batch, {.views = {recipe, recipe}}, 0, network.input.dtype);
    const Tensor features = cast(network.backbone.forward(views.images, /*training=*/false), DType::f32);
    first.rows(begin, size).copy_from(features.rows(0, size));
    second.rows(begin, size).copy_from(features.rows(size, size));
  }
  return {first, second};
}

}  // namespace

Measures measure(const NetworkView& network, const Tensor& features, std::int64_t images,
                 std::uint64_t seed) {
  const std::int64_t count = std::min(images, features.shape()[0]);
  if (count < 2) return {};
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(i * features.shape()[0] / count);
  const Tensor rows = take_rows(features, ids);
  const auto [first, second] = pairs(network, ids, seed);
  refuse_not_finite(first);
  refuse_not_finite(second);
  const Collapse spread = collapse(rows);
  return {.rank = effective_rank(rows).rank,
          .alignment = alignment(first, second),
          .uniformity = uniformity(rows),
          .spread = spread.std,
          .mean_norm = spread.mean_norm};
}

}  // namespace nagare::ssl
