#pragma once
// Judges a frozen backbone by readouts of its features: over all queries, and for the classes of every task.
//
// The only reader of labels beside the supervised baselines. Bank (training images) and queries (test images) are
// evaluation images, the network runs in evaluation mode, and nothing that training uses is changed or drawn from: weights
// are the same bits with and without evaluations. A query is compared with the whole bank and not told its task, but for
// readouts that say so (readout.h). Images of classes that no task has are left out.
// deterministic  the same bits from run to run and for any number of threads
// cost           one forward pass over bank and queries, whatever the number of readouts
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/backbone.h"
#include "ssl/augment/view_plan.h"
#include "ssl/data/dataset.h"
#include "ssl/eval/evaluation.h"
#include "ssl/eval/readout.h"
#include "ssl/eval/scores.h"

namespace nagare::ssl {

struct EvaluationOptions {
  std::string readouts = "knn";  // see readout.h
  std::int64_t neighbours = 20;  // k, >= 1
  float temperature = 0.07F;     // > 0
  std::int64_t bank_images = 0;  // training images in the bank, evenly spaced; 0: all
  std::int64_t test_images = 0;  // queries, evenly spaced; 0: all
  std::int64_t batch = 256;      // images in one forward pass
  std::uint64_t seed = 0;        // draws labelled subsets
};

// How a backbone is fed: the same normalisation and precision as in training.
struct FeatureInput {
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  std::int64_t size = 32;  // pixels
  DType dtype = DType::f32;
  Device device = Device::cpu;
};

// Features of every image, (N, D) f32 on the CPU. images: (N, H, W, 3) u8.
Tensor extract_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                        std::int64_t batch);

class Evaluator {
 public:
  // task_classes: the classes of each task. Keeps references to the data set.
  // errors  BadConfig for options out of range, BadData without training or test images
  Evaluator(const Dataset& dataset, TaskClasses task_classes, const EvaluationOptions& options);

  // tasks_seen: how many tasks have begun, >= 1; some readouts depend on it.
  Evaluation evaluate(models::Backbone& backbone, const FeatureInput& input, std::int64_t tasks_seen) const;

  // The readouts' specs, in the order of Evaluation::readouts.
  std::vector<std::string> readout_names() const;
  std::int64_t tasks() const { return static_cast<std::int64_t>(task_classes_.size()); }

 private:
  Split bank_;
  Split queries_;
  TaskClasses task_classes_;
  std::int64_t classes_;
  EvaluationOptions options_;
  std::vector<Readout> readouts_;
};

}  // namespace nagare::ssl
