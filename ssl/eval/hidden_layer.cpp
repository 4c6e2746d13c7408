#include "ssl/eval/hidden_layer.h"

#include "engine/ops/elementwise.h"

namespace nagare::ssl {

HiddenLayer::HiddenLayer(const models::MlpOptions& options) : layer_(options), dim_(options.widths.back()) {}

std::optional<HiddenLayer> HiddenLayer::of(const Find& find, Device device) {
  // models/mlp.h has the names: a layer behind the first makes that one hidden.
  const Tensor weight = find("projector.0.weight");
  const bool norm = find("projector.3.weight").defined() && find("projector.1.running_mean").defined();
  if (!weight.defined() || !(norm || find("projector.2.weight").defined())) return std::nullopt;
  if (weight.shape().rank() != 2) {
    throw BadCheckpoint("projector.0.weight: shape " + to_string(weight.shape()) + ", need two axes");
  }
  HiddenLayer layer({.widths = {weight.shape()[1], weight.shape()[0]},
                     .output_bias = find("projector.0.bias").defined(),
                     .output_norm = norm,
                     .device = device});
  nn::StateList list;
  layer.layer_.list_state(list);
  for (const nn::StateEntry& entry : list.entries()) {
    const Tensor from = find("projector." + entry.name);
    if (!from.defined() || from.shape() != entry.tensor.shape() || from.dtype() != entry.tensor.dtype()) {
      throw BadCheckpoint("projector." + entry.name + " is missing, or not " +
                          to_string(entry.tensor.shape()) + " as the layer's weight wants it");
    }
    Tensor(entry.tensor).copy_from(from);
  }
  return layer;
}

BadConfig no_hidden_layer() {
  return BadConfig(
      "--eval.bag-feature hidden: the method has no projector with a hidden layer; need backbone");
}

Tensor HiddenLayer::forward(const Tensor& features) const {
  return relu(layer_.forward(features, /*training=*/false));
}

}  // namespace nagare::ssl
