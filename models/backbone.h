#pragma once
// A network from images to one feature vector per image, known to the layers above by this interface alone.
#include <cstdint>
#include <memory>
#include <string>

#include "engine/nn/state.h"
#include "engine/tensor/tensor.h"

namespace nagare::models {

class Backbone {
 public:
  virtual ~Backbone() = default;
  // images    (N, H, W, 3), f32 or bf16: the element type decides the precision of the whole pass
  // training  batch statistics and running-statistics update, or running statistics as they are
  // returns   features (N, feature_dim()) in the element type of `images`
  virtual Tensor forward(const Tensor& images, bool training) = 0;
  virtual std::int64_t feature_dim() const = 0;
  // Whether features depend on the task that an image belongs to, where that is known; and such features, of (N, H, W, 3),
  // with running statistics.
  virtual bool knows_tasks() const { return false; }
  virtual Tensor task_features(const Tensor& images, std::int64_t /*task*/) { return forward(images, false); }
  // Lists parameters and buffers under torchvision's names.
  virtual void list_state(nn::StateList& list) const = 0;
  // The same network with a copy of its parameters and buffers: what a momentum teacher starts from.
  virtual std::unique_ptr<Backbone> clone() const = 0;
};

struct BackboneOptions {
  std::int64_t image_size =
      32;  // pixels; <= 64 gets the CIFAR stem, more the ImageNet stem, unless `spec` says
  std::uint64_t seed = 0;
  Device device = Device::cpu;
};

// spec    "resnet18", "resnet18:width=16", "resnet18:stem=imagenet,width=32"; see `nagare list models`
// errors  BadConfig naming the nearest model or option
std::unique_ptr<Backbone> make_backbone(const std::string& spec, const BackboneOptions& options);

}  // namespace nagare::models
