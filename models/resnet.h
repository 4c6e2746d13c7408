#pragma once
// ResNet-18 without its classifier: a stem, four stages of two basic blocks, global average pooling.
//
//   block    y = a(n(conv3x3(a(n(conv3x3(x))))) + shortcut(x)),  shortcut = x, or n(conv1x1 stride 2) where the size changes
//   stem     cifar: conv 3x3, stride 1, padding 1 (or 2), n, a;   imagenet: conv 7x7, stride 2, padding 3, n, a,
//            max-pool 3x3, stride 2, padding 1
//   n        batch norm, or group norm with as many groups everywhere;  a  ReLU, or mish
//
// widths   w, 2w, 4w, 8w; w = 64 is the published network, feature_dim = 8w
// names    torchvision's resnet18 (conv1.weight, bn1.weight, layer1.0.conv1.weight, layer2.0.downsample.0.weight, ...)
//          group norms have the same names and no running statistics
// source   He et al., CVPR 2016; Wu and He, ECCV 2018 (group norm); Zhang et al., CoLLAs 2024 (group norm and mish)
#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "engine/nn/modules.h"
#include "models/activation.h"
#include "models/backbone.h"

namespace nagare::models {

enum class Stem { cifar, imagenet };

struct ResNetOptions {
  std::int64_t width = 64;
  Stem stem = Stem::cifar;
  std::int64_t stem_padding = 1;  // of the CIFAR stem; 2 in solo-learn, whose maps have two pixels more
  std::int64_t groups = 0;        // of group norms, a divisor of width; 0: batch norm
  Activation activation = Activation::relu;
  bool zero_init = false;  // the last norm of every block begins at 0, so that the block is its shortcut
  std::uint64_t seed = 0;
  Device device = Device::cpu;
};

// The activations (N, H, W, C) on the way, and the features.
struct ResNetStages {
  Tensor stem;                   // after BN and ReLU, before max-pooling
  std::array<Tensor, 4> inputs;  // of layer1 .. layer4, as they come from the part before
  std::array<Tensor, 4> layers;  // torchvision's layer1 .. layer4
  Tensor features;               // (N, 8 width)
};

// What a stage (0 .. 3) takes in place of its input.
using StageEntry = std::function<Tensor(std::size_t stage, const Tensor& input)>;

class ResNet : public Backbone {
 public:
  explicit ResNet(const ResNetOptions& options);
  ~ResNet() override;

  Tensor forward(const Tensor& images, bool training) override;
  // forward() that shows the activations: for tests, and for methods that work on feature maps.
  ResNetStages forward_stages(const Tensor& images, bool training, const StageEntry& enter = {});
  std::int64_t feature_dim() const override { return 8 * options_.width; }
  void list_state(nn::StateList& list) const override;
  std::unique_ptr<Backbone> clone() const override;

 private:
  struct Norm;
  struct Block;

  Tensor stem(const Tensor& images, bool training) const;
  // The features. Keeps the activations on the way alive only where `stages` takes them: outside training each may go
  // as soon as the next one is there.
  Tensor pass(const Tensor& images, bool training, ResNetStages* stages, const StageEntry& enter = {}) const;

  ResNetOptions options_;
  std::unique_ptr<nn::Conv2d> conv1_;
  std::unique_ptr<Norm> bn1_;
  std::array<std::vector<Block>, 4> layers_;
};

}  // namespace nagare::models
