#include "models/mlp.h"

#include <stdexcept>

namespace nagare::models {

Mlp::Mlp(const MlpOptions& options) : activation_(options.activation) {
  const std::vector<std::int64_t>& widths = options.widths;
  for (const std::int64_t width : widths) {
    if (width < 1)
      throw std::invalid_argument("mlp: a layer of width " + std::to_string(width) + ", need >= 1");
  }
  if (widths.size() < 2)
    throw std::invalid_argument("mlp: " + std::to_string(widths.size()) + " widths, need >= 2");
  nn::Initializer init(options.seed, options.device);
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    const bool last = i + 2 == widths.size();
    Layer layer{nn::Linear(widths[i], widths[i + 1], init, last ? options.output_bias : options.hidden_bias),
                {},
                last};
    if (options.weight_deviation > 0.0) {
      layer.linear.weight = init.normal(layer.linear.weight.shape(), options.weight_deviation);
      if (layer.linear.bias.defined()) layer.linear.bias = init.constant(layer.linear.bias.shape(), 0.0F);
    }
    if (last ? options.output_norm : options.hidden_norm) {
      layer.norm.emplace_back(widths[i + 1], init, !last || options.output_norm_affine);
    }
    layers_.push_back(std::move(layer));
  }
}

Tensor Mlp::forward(const Tensor& x, bool training) const {
  Tensor h = x;
  for (const Layer& layer : layers_) {
    h = layer.linear.forward(h);
    if (!layer.norm.empty() && !layer.last && activation_ == Activation::relu) {
      h = layer.norm[0].forward_relu(h, training);  // in one pass
      continue;
    }
    if (!layer.norm.empty()) h = layer.norm[0].forward(h, training);
    if (!layer.last) h = activate(activation_, h);
  }
  return h;
}

void Mlp::list_state(nn::StateList& list) const {
  int index = 0;
  const auto add = [&](const auto& module) {
    const nn::StateList::Scope scope(list, std::to_string(index++));
    module.list_state(list);
  };
  for (const Layer& layer : layers_) {
    add(layer.linear);
    for (const nn::BatchNorm& norm : layer.norm) add(norm);
    if (!layer.last) ++index;
  }
}

}  // namespace nagare::models
