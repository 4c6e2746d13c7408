#include "ssl/eval/feature_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "ssl/augment/augmenter.h"

namespace nagare::ssl {

void refuse_not_finite(const Tensor& features) {
  const std::vector<float> values = features.to_vector<float>();
  if (std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return;
  throw Diverged("the features are not finite: train with a lower learning rate (--optim.lr)");
}

Tensor pick_images(const Tensor& images, const std::vector<std::int64_t>& ids) {
  const Shape& shape = images.shape();
  const Tensor picked = Tensor::empty({static_cast<std::int64_t>(ids.size()), shape[1], shape[2], shape[3]},
                                      {.dtype = DType::u8});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Tensor image = images.rows(ids[i], 1);
    std::memcpy(picked.rows(static_cast<std::int64_t>(i), 1).raw(), image.raw(), image.bytes());
  }
  return picked;
}

std::uint64_t evaluation_seed(std::uint64_t seed) { return seed + 0x6576616C00000000U; }

Tensor extract_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                        std::int64_t batch) {
  const tape::NoGrad guard;
  const std::int64_t count = images.shape()[0];
  const Tensor features = Tensor::empty({count, backbone.feature_dim()});
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    input.go_on();
    const std::int64_t size = std::min(batch, count - begin);
    const Tensor pixels = evaluation_images(images.rows(begin, size).to(input.device), input.mean, input.std,
                                            input.size, input.dtype);
    features.rows(begin, size).copy_from(cast(backbone.forward(pixels, /*training=*/false), DType::f32));
  }
  return features;
}

Tensor extract_task_features(models::Backbone& backbone, const Tensor& images,
                             const std::vector<std::int64_t>& task_of, const FeatureInput& input,
                             std::int64_t batch) {
  const tape::NoGrad guard;
  std::map<std::int64_t, std::vector<std::int64_t>> ids_of;
  for (std::size_t i = 0; i < task_of.size(); ++i) ids_of[task_of[i]].push_back(static_cast<std::int64_t>(i));
  const Tensor features = Tensor::empty({images.shape()[0], backbone.feature_dim()});
  for (const auto& [task, ids] : ids_of) {
    const auto count = static_cast<std::int64_t>(ids.size());
    for (std::int64_t begin = 0; begin < count; begin += batch) {
      input.go_on();
      const std::int64_t size = std::min(batch, count - begin);
      const std::vector<std::int64_t> some(ids.begin() + begin, ids.begin() + begin + size);
      const Tensor pixels = evaluation_images(pick_images(images, some).to(input.device), input.mean,
                                              input.std, input.size, input.dtype);
      const Tensor rows = cast(backbone.task_features(pixels, task), DType::f32).to(Device::cpu);
      for (std::int64_t i = 0; i < size; ++i)
        features.rows(some[static_cast<std::size_t>(i)], 1).copy_from(rows.rows(i, 1));
    }
  }
  return features;
}

Tensor cropped_images(const Tensor& images, const std::vector<std::int64_t>& ids, const FeatureInput& input,
                      float crop_scale_min, std::uint64_t seed, std::int64_t draw) {
  const ViewRecipe recipe{.size = input.size,
                          .crop_scale_min = crop_scale_min,
                          .jitter_probability = 0.0F,
                          .grayscale_probability = 0.0F,
                          .mean = input.mean,
                          .std = input.std};
  const Batch batch{.images = pick_images(images, ids).to(input.device), .ids = ids};
  return Augmenter(evaluation_seed(seed)).apply(batch, {.views = {recipe}}, draw, input.dtype).images;
}

}  // namespace nagare::ssl
