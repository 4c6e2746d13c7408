#include "ssl/eval/classifier.h"

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"

namespace nagare::ssl {
namespace {

constexpr std::uint64_t kSeedOffset =
    0x6576616CU;  // "eval": not the first layer of a network of the same seed

nn::Linear layer(std::int64_t feature_dim, std::int64_t classes, LinearInit how, std::uint64_t seed,
                 Device device) {
  nn::Initializer init(seed + kSeedOffset, device);
  nn::Linear linear(feature_dim, classes, init);
  if (how == LinearInit::uniform) return linear;
  linear.weight = how == LinearInit::zero ? init.constant({classes, feature_dim}, 0.0F)
                                          : init.normal({classes, feature_dim}, 0.01);
  linear.bias = init.constant({classes}, 0.0F);
  return linear;
}

}  // namespace

Classifier::Classifier(std::int64_t feature_dim, std::int64_t classes, LinearInit init, std::uint64_t seed,
                       Device device)
    : linear_(layer(feature_dim, classes, init, seed, device)) {}

std::vector<nn::StateEntry> Classifier::parameters() const {
  nn::StateList list;
  linear_.list_state(list);
  return list.parameters();
}

Scores Classifier::scores(const Tensor& features, double setting) const {
  const tape::NoGrad no_grad;
  const Tensor logits = cast(linear_.forward(features.to(linear_.weight.device())), DType::f32);
  const std::vector<float> values = logits.to_vector<float>();
  return {.classes = linear_.weight.shape()[0], .values = {values.begin(), values.end()}, .setting = setting};
}

SupervisedLabels batch_labels(const std::vector<std::int64_t>& labels, const std::vector<std::int64_t>& ids,
                              Device device) {
  std::vector<std::int64_t> of_batch;
  for (const std::int64_t id : ids) of_batch.push_back(labels[static_cast<std::size_t>(id)]);
  return {.classes = Tensor::from(of_batch, {static_cast<std::int64_t>(ids.size())}, device)};
}

}  // namespace nagare::ssl
