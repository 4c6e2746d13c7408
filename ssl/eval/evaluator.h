#pragma once
// Judges a frozen backbone by weighted kNN on its features: overall, and for the classes of every task.
//
// The only reader of labels beside the supervised baseline. Bank and queries are evaluation images (no
// augmentation), the network runs in evaluation mode, and every query is compared with the whole bank: it is
// not told its task.
// source  Wu et al., CVPR 2018 (weighted kNN)
#include <array>
#include <cstdint>
#include <vector>

#include "models/backbone.h"
#include "ssl/augment/view_plan.h"
#include "ssl/data/dataset.h"

namespace nagare::ssl {

struct EvaluationOptions {
  std::int64_t neighbours = 20;  // k, >= 1
  float temperature = 0.07F;     // > 0
  std::int64_t bank_images = 0;  // training images in the bank, evenly spaced; 0: all
  std::int64_t test_images = 0;  // queries, evenly spaced; 0: all
  std::int64_t batch = 256;      // images in one forward pass
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

struct Evaluation {
  double knn = 0.0;              // percent of all queries
  double knn_top5 = 0.0;         // percent whose class is among the five best
  std::vector<double> task_knn;  // percent, for the queries of each task's classes
  double seconds = 0.0;
};

class Evaluator {
 public:
  // task_classes: the classes of each task. Keeps references to the data set.
  Evaluator(const Dataset& dataset, std::vector<std::vector<std::int64_t>> task_classes,
            const EvaluationOptions& options);
  Evaluation evaluate(models::Backbone& backbone, const FeatureInput& input) const;

 private:
  Split bank_;
  Split queries_;
  std::vector<std::vector<std::int64_t>> task_classes_;
  std::int64_t classes_;
  EvaluationOptions options_;
};

}  // namespace nagare::ssl
