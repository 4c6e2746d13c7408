#pragma once
// The linear layer that a readout trains.
#include <cstdint>
#include <vector>

#include "engine/nn/modules.h"
#include "ssl/core/batch.h"
#include "ssl/eval/linear_probe.h"

namespace nagare::ssl {

class Classifier {
 public:
  Classifier(std::int64_t feature_dim, std::int64_t classes, LinearInit init, std::uint64_t seed,
             Device device);

  Tensor logits(const Tensor& features) const { return linear_.forward(features); }
  std::vector<nn::StateEntry> parameters() const;
  // Without history. features: f32 (Q, D), any device.
  Scores scores(const Tensor& features, double setting) const;

 private:
  nn::Linear linear_;
};

SupervisedLabels batch_labels(const std::vector<std::int64_t>& labels, const std::vector<std::int64_t>& ids,
                              Device device);

}  // namespace nagare::ssl
