#pragma once
// Linear classifiers trained by gradient descent, on a frozen network's features or with the network itself.
//
//   linear probe   logits = W f(x) + b, softmax cross-entropy; W and b are trained, f is frozen (evaluation mode)
//   fine-tuning    the same, and a copy of f is trained with it (training mode: batch statistics)
//
// An epoch is a pass over the labelled images in a freshly drawn order; the last batch may be smaller (one that would be a
// single image joins the one before). Batches are at most as large as there are images; rates "per 256" are multiplied
// by the size of a full batch / 256. The result is that of the last epoch: nothing looks at the test images before.
// deterministic  all draws are functions of (seed, epoch); the same bits for any number of threads
// errors         Diverged for weights that are not finite; BadConfig when fine-tuning has fewer than 2 images
// source         the rows of readout_table.cpp
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/optim/optimizer.h"
#include "ssl/eval/labelled_subset.h"
#include "ssl/eval/scores.h"

namespace nagare::ssl {

// The learning rate over the epochs: a cosine to 0, or `gamma` at every milestone, or constant without either.
struct EpochSchedule {
  std::int64_t epochs = 100;
  std::vector<std::int64_t> milestones = {};
  double gamma = 0.1;
  bool cosine = false;

  // What the base rate is multiplied by in `epoch`, from 0.
  double factor(std::int64_t epoch) const;
};

enum class LinearInit : std::uint8_t { zero, normal, uniform };  // normal: deviation 0.01; uniform: torch's

struct LinearProtocol {
  double rate = 0.1;
  bool per_256 = false;
  std::int64_t batch = 256;
  EpochSchedule schedule;
  optim::OptimizerOptions optimizer;
  LinearInit init = LinearInit::normal;
  float crop_scale_min = 0.08F;  // of the crop that comes with the flip; 0: the protocol has no augmentation
};

// Features of the training images `ids` as they look in `epoch`: (|ids|, D) f32.
using FeatureSource = std::function<Tensor(const std::vector<std::int64_t>& ids, std::int64_t epoch)>;

struct LinearTask {
  const std::vector<std::int64_t>& labels;  // of the training images
  std::int64_t classes = 0;
  std::int64_t feature_dim = 0;
  FeatureSource features;
  Device device = Device::cpu;
  std::uint64_t seed = 0;
};

// Logits of the queries, (Q, classes). queries: f32 (Q, D).
Scores linear_probe(const LinearProtocol& protocol, const LinearTask& task, const Tensor& queries);

// The batches of an epoch: every number below `count` once.
std::vector<std::vector<std::int64_t>> epoch_batches(std::int64_t count, std::int64_t batch,
                                                     std::int64_t epoch, std::uint64_t seed);

}  // namespace nagare::ssl
