#include "ssl/eval/network_cka.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/nn/state.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"
#include "models/resnet.h"
#include "ssl/augment/augmenter.h"
#include "ssl/eval/representation.h"

namespace nagare::ssl {
namespace {

void check_same_blocks(const BlockFeatures& a, const BlockFeatures& b) {
  if (a.names == b.names && !a.names.empty()) return;
  throw std::invalid_argument("CKA: networks of " + std::to_string(a.names.size()) + " and " +
                              std::to_string(b.names.size()) + " blocks, need the same ones");
}

// Pooled activations of one batch, in the order of the names.
std::vector<Tensor> pooled(models::Backbone& backbone, const Tensor& pixels) {
  auto* resnet = dynamic_cast<models::ResNet*>(&backbone);
  if (resnet == nullptr) return {cast(backbone.forward(pixels, /*training=*/false), DType::f32)};
  const models::ResNetStages stages = resnet->forward_stages(pixels, /*training=*/false);
  std::vector<Tensor> rows = {cast(global_average_pool(stages.stem), DType::f32)};
  for (const Tensor& layer : stages.layers) rows.push_back(cast(global_average_pool(layer), DType::f32));
  return rows;
}

}  // namespace

BlockFeatures block_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                             std::int64_t batch) {
  const tape::NoGrad no_grad;
  BlockFeatures blocks;
  if (dynamic_cast<models::ResNet*>(&backbone) != nullptr) {
    blocks.names = {"conv1", "layer1", "layer2", "layer3", "layer4"};
  } else {
    blocks.names = {"features"};
  }
  const std::int64_t count = images.shape()[0];
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t size = std::min(batch, count - begin);
    const std::vector<Tensor> rows =
        pooled(backbone, evaluation_images(images.rows(begin, size).to(input.device), input.mean, input.std,
                                           input.size, input.dtype));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (begin == 0) blocks.features.push_back(Tensor::empty({count, rows[i].shape()[1]}));
      blocks.features[i].rows(begin, size).copy_from(rows[i]);
    }
  }
  for (const Tensor& features : blocks.features) refuse_not_finite(features);
  return blocks;
}

AccuracyMatrix cka_between_blocks(const BlockFeatures& a, const BlockFeatures& b) {
  check_same_blocks(a, b);
  AccuracyMatrix matrix;
  for (const Tensor& x : a.features) {
    matrix.emplace_back();
    for (const Tensor& y : b.features) matrix.back().push_back(linear_cka(x, y));
  }
  return matrix;
}

std::vector<AccuracyMatrix> cka_between_networks(const std::vector<BlockFeatures>& networks) {
  std::vector<AccuracyMatrix> all;
  for (const BlockFeatures& network : networks) check_same_blocks(networks.front(), network);
  const std::size_t blocks = networks.empty() ? 0 : networks.front().names.size();
  for (std::size_t block = 0; block < blocks; ++block) {
    all.emplace_back();
    for (const BlockFeatures& a : networks) {
      all.back().emplace_back();
      for (const BlockFeatures& b : networks)
        all.back().back().push_back(linear_cka(a.features[block], b.features[block]));
    }
  }
  return all;
}

double parameter_distance(const models::Backbone& a, const models::Backbone& b) {
  nn::StateList of_a;
  nn::StateList of_b;
  a.list_state(of_a);
  b.list_state(of_b);
  double squared = 0.0;
  for (const nn::StateEntry& entry : of_a.parameters()) {
    const nn::StateEntry* other = of_b.find(entry.name);
    if (other == nullptr || other->tensor.shape() != entry.tensor.shape())
      throw std::invalid_argument("parameter_distance: " + entry.name + " is not in both networks");
    const std::vector<float> x = entry.tensor.to_vector<float>();
    const std::vector<float> y = other->tensor.to_vector<float>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double difference = static_cast<double>(x[i]) - y[i];
      squared += difference * difference;
    }
  }
  return std::sqrt(squared);
}

}  // namespace nagare::ssl
