#pragma once
// Bags of patches: the feature of an image is the mean of those of many of its patches (EMP-SSL's evaluation).
//
//   random  `count` patches as EMP-SSL trains on: a quarter of the area, flip, jitter, grey, blur, solarise, drawn by
//           (seed, draw, image, patch). More patches are more accurate: always report how many
//   grid    25 windows of half the side, at even distances, without colour steps; nothing is drawn
//   centre  the middle one of them
//
// Every patch is resized to the network's size. Published: 128 random ones; grid and centre are ours, as is the feature (the
// backbone's; the published one is the first hidden layer of the head).
// returns  f32 (N, D) on the CPU, rows not normalised
// cost     a forward pass per patch: 128 random ones of CIFAR-10's 60,000 images are those of 128 evaluations
// errors   BadConfig for an unknown kind or a count below 1
// source   Tong et al., arXiv:2304.03977, and its published code
#include <cstdint>
#include <string>

#include "ssl/eval/feature_input.h"

namespace nagare::ssl {

struct BagOptions {
  std::string patches = "random";  // random, grid, centre
  std::int64_t count = 128;        // of random ones

  void check() const;
};

struct BagDraw {
  std::uint64_t seed = 0;
  std::int64_t draw = 0;     // another one, other patches: training and test images have the same numbers
  std::int64_t batch = 256;  // patches in one forward pass, at least those of one image
};

Tensor bag_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                    const BagOptions& options, const BagDraw& draw);

}  // namespace nagare::ssl
