#pragma once
// From images to features, without augmentation and with a crop and a flip.
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "models/backbone.h"
#include "ssl/augment/view_plan.h"

namespace nagare::ssl {

// Thrown by what runs a network for long when its caller no longer wants the answer. No error, and nothing has changed.
struct GivenUp {};

// How a backbone is fed: the same normalisation and precision as in training.
struct FeatureInput {
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  std::int64_t size = 32;  // pixels
  DType dtype = DType::f32;
  Device device = Device::cpu;
  std::function<bool()> given_up = {};  // asked before every pass through the network

  void go_on() const {
    if (given_up && given_up()) throw GivenUp();
  }
};

// Features of every image, (N, D) f32 on the CPU. images: (N, H, W, 3) u8. `batch` images in one forward pass.
Tensor extract_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                        std::int64_t batch);

// The same of a backbone that knows tasks: the features of image i are those of task task_of[i].
Tensor extract_task_features(models::Backbone& backbone, const Tensor& images,
                             const std::vector<std::int64_t>& task_of, const FeatureInput& input,
                             std::int64_t batch);

// Diverged for a feature that is NaN or infinite: nothing can be said of such a network.
void refuse_not_finite(const Tensor& features);

// The images `ids`, in that order, on the CPU.
Tensor pick_images(const Tensor& images, const std::vector<std::int64_t>& ids);

// What an evaluation augments with, so that its views are none of training's.
std::uint64_t evaluation_seed(std::uint64_t seed);

// Of the images `ids` one view each, cropped to at least `crop_scale_min` of the area and flipped half of the time, drawn
// by (seed, draw, id): (|ids|, size, size, 3) of input.dtype on input.device.
Tensor cropped_images(const Tensor& images, const std::vector<std::int64_t>& ids, const FeatureInput& input,
                      float crop_scale_min, std::uint64_t seed, std::int64_t draw);

}  // namespace nagare::ssl
