#pragma once
// Bags of patches: the feature of an image is the mean of those of many of its patches (EMP-SSL's evaluation).
//
//   random  `count` patches as EMP-SSL trains on: a quarter of the area, flip, jitter, grey, blur, solarise, drawn by
//           (seed, draw, image, patch). More patches are more accurate: always report how many
//   grid    25 windows of half the side, at even distances, without colour steps; nothing is drawn
//   centre  the middle one of them
//
// Every patch is resized to the network's size. Published: 128 random ones, and the projector's first hidden layer as the
// feature of each; grid, centre and the backbone's feature are ours.
// returns  f32 (N, D) on the CPU, rows not normalised
// cost     a forward pass per patch: 128 random ones of CIFAR-10's 60,000 images are those of 128 evaluations
// errors   BadConfig for an unknown kind or feature, or a count below 1
// source   Tong et al., arXiv:2304.03977, and its published code
#include <cstdint>
#include <string>

#include "ssl/eval/feature_input.h"
#include "ssl/eval/hidden_layer.h"

namespace nagare::ssl {

struct BagOptions {
  std::string patches = "random";    // random, grid, centre
  std::int64_t count = 128;          // of random ones
  std::string feature = "backbone";  // of a patch: backbone, or hidden (the projector's first hidden layer)

  void check() const;
};

struct BagDraw {
  std::uint64_t seed = 0;
  std::int64_t draw = 0;     // another one, other patches: training and test images have the same numbers
  std::int64_t batch = 256;  // patches in one forward pass, at least those of one image
};

// hidden   what stands behind the backbone; nullptr: nothing. options.feature is the caller's to look at
Tensor bag_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                    const BagOptions& options, const BagDraw& draw, const HiddenLayer* hidden = nullptr);

}  // namespace nagare::ssl
