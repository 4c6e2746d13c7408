#pragma once
// How alike the blocks of a network are, and one block of several networks: linear CKA of their activations on the same images.
//
// A block's activation is averaged over height and width. Blocks of a ResNet: conv1 (after batch norm and ReLU), layer1 ..
// layer4, of which the last is the feature; of other networks the feature alone.
// errors  std::invalid_argument for networks with other blocks, or fewer than 2 images; Diverged as extract_features
// source  Kornblith et al., ICML 2019
#include <string>
#include <vector>

#include "ssl/eval/feature_input.h"
#include "ssl/eval/metrics.h"

namespace nagare::ssl {

struct BlockFeatures {
  std::vector<std::string> names;
  std::vector<Tensor> features;  // f32 (N, channels) on the CPU
};

BlockFeatures block_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                             std::int64_t batch);

// M[i][j]: CKA of block i of a with block j of b. Square, in the order of the names; NaN where a block is constant.
AccuracyMatrix cka_between_blocks(const BlockFeatures& a, const BlockFeatures& b);
// M[block][i][j]: CKA of that block of networks i and j.
std::vector<AccuracyMatrix> cka_between_networks(const std::vector<BlockFeatures>& networks);

// |a - b|_2 over all parameters; buffers are left out.
double parameter_distance(const models::Backbone& a, const models::Backbone& b);

}  // namespace nagare::ssl
