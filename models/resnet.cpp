#include "models/resnet.h"

#include <optional>
#include <stdexcept>
#include <string>

#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"
#include "engine/optim/ema.h"

namespace nagare::models {

// A norm and the activation behind it, in one pass where there is a kernel for both.
struct ResNet::Norm {
  Norm(std::int64_t channels, const ResNetOptions& options, nn::Initializer& init)
      : activation(options.activation) {
    if (options.groups > 0) {
      group.emplace(channels, options.groups, init);
    } else {
      batch.emplace(channels, init);
    }
  }

  Tensor forward(const Tensor& x, bool training) const {
    return batch ? batch->forward(x, training) : group->forward(x);
  }
  Tensor forward_active(const Tensor& x, bool training, const Tensor& residual = {}) const {
    if (batch && activation == Activation::relu) return batch->forward_relu(x, training, residual);
    const Tensor normed = forward(x, training);
    return activate(activation, residual.defined() ? add(normed, residual) : normed);
  }
  const Tensor& gamma() const { return batch ? batch->state.gamma : group->gamma; }
  void list_state(nn::StateList& list) const {
    if (batch) batch->list_state(list);
    if (group) group->list_state(list);
  }

  Activation activation;
  std::optional<nn::BatchNorm> batch;  // one of the two
  std::optional<nn::GroupNorm> group;
};

struct ResNet::Block {
  Block(std::int64_t in, std::int64_t out, std::int64_t stride, const ResNetOptions& options,
        nn::Initializer& init)
      : conv1({.in_channels = in, .out_channels = out, .kernel = 3, .stride = stride, .padding = 1}, init),
        bn1(out, options, init),
        conv2({.in_channels = out, .out_channels = out, .kernel = 3, .padding = 1}, init),
        bn2(out, options, init) {
    if (options.zero_init) bn2.gamma().fill_zero();
    if (stride == 1 && in == out) return;
    shortcut_conv.emplace(
        nn::Conv2dSizes{.in_channels = in, .out_channels = out, .kernel = 1, .stride = stride}, init);
    shortcut_bn.emplace(out, options, init);
  }

  Tensor forward(const Tensor& x, bool training) const {
    const Tensor h = bn1.forward_active(conv1.forward(x), training);
    const Tensor shortcut = shortcut_conv ? shortcut_bn->forward(shortcut_conv->forward(x), training) : x;
    return bn2.forward_active(conv2.forward(h), training, shortcut);
  }

  void list_state(nn::StateList& list) const {
    const auto add = [&](const char* name, const auto& module) {
      const nn::StateList::Scope scope(list, name);
      module.list_state(list);
    };
    add("conv1", conv1);
    add("bn1", bn1);
    add("conv2", conv2);
    add("bn2", bn2);
    if (shortcut_conv) add("downsample.0", *shortcut_conv);
    if (shortcut_bn) add("downsample.1", *shortcut_bn);
  }

  nn::Conv2d conv1;
  Norm bn1;
  nn::Conv2d conv2;
  Norm bn2;
  std::optional<nn::Conv2d> shortcut_conv;
  std::optional<Norm> shortcut_bn;
};

ResNet::ResNet(const ResNetOptions& options) : options_(options) {
  const std::int64_t width = options.width;
  if (width < 1) throw std::invalid_argument("resnet18: width " + std::to_string(width) + ", need >= 1");
  if (options.groups < 0 || (options.groups > 0 && width % options.groups != 0) || options.stem_padding < 1 ||
      options.stem_padding > 2) {
    throw std::invalid_argument("resnet18: " + std::to_string(options.groups) + " groups of " +
                                std::to_string(width) + " channels, stem padding " +
                                std::to_string(options.stem_padding) +
                                ": need groups that divide the width (0: batch norm), a padding of 1 or 2");
  }
  nn::Initializer init(options.seed, options.device);
  const nn::Conv2dSizes cifar{
      .in_channels = 3, .out_channels = width, .kernel = 3, .stride = 1, .padding = options.stem_padding};
  const nn::Conv2dSizes imagenet{
      .in_channels = 3, .out_channels = width, .kernel = 7, .stride = 2, .padding = 3};
  conv1_ = std::make_unique<nn::Conv2d>(options_.stem == Stem::cifar ? cifar : imagenet, init);
  bn1_ = std::make_unique<Norm>(width, options, init);
  std::int64_t in = width;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::int64_t out = width << i;
    layers_[i].emplace_back(in, out, i == 0 ? 1 : 2, options, init);
    layers_[i].emplace_back(out, out, 1, options, init);
    in = out;
  }
}

ResNet::~ResNet() = default;

Tensor ResNet::stem(const Tensor& images, bool training) const {
  if (images.shape().rank() != 4 || images.shape()[3] != 3) {
    throw std::invalid_argument("resnet18: images " + to_string(images.shape()) + ", need (N, H, W, 3)");
  }
  return bn1_->forward_active(conv1_->forward(images), training);
}

Tensor ResNet::pass(const Tensor& images, bool training, ResNetStages* stages,
                    const StageEntry& enter) const {
  Tensor x = stem(images, training);
  if (stages != nullptr) stages->stem = x;
  if (options_.stem == Stem::imagenet) x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (stages != nullptr) stages->inputs[i] = x;
    if (enter) x = enter(i, x);
    for (const Block& block : layers_[i]) x = block.forward(x, training);
    if (stages != nullptr) stages->layers[i] = x;
  }
  return global_average_pool(x);
}

std::unique_ptr<Backbone> ResNet::clone() const {
  auto copy = std::make_unique<ResNet>(options_);
  nn::StateList to;
  nn::StateList from;
  copy->list_state(to);
  list_state(from);
  optim::copy_state(to, from);
  return copy;
}

Tensor ResNet::forward(const Tensor& images, bool training) { return pass(images, training, nullptr); }

ResNetStages ResNet::forward_stages(const Tensor& images, bool training, const StageEntry& enter) {
  ResNetStages stages;
  stages.features = pass(images, training, &stages, enter);
  return stages;
}

void ResNet::list_state(nn::StateList& list) const {
  {
    const nn::StateList::Scope scope(list, "conv1");
    conv1_->list_state(list);
  }
  {
    const nn::StateList::Scope scope(list, "bn1");
    bn1_->list_state(list);
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    for (std::size_t j = 0; j < layers_[i].size(); ++j) {
      const nn::StateList::Scope scope(list, "layer" + std::to_string(i + 1) + "." + std::to_string(j));
      layers_[i][j].list_state(list);
    }
  }
}

}  // namespace nagare::models
