#pragma once
// Closed-form classifiers on frozen features: nearest class mean, and ridge regression to one-hot labels.
//
//   nearest_mean   class means of unit rows, made unit again; the class of the largest cosine
//   ridge          W = (Xc^T Xc + lambda I)^-1 Xc^T Yc,  b = mean(Y) - mean(X) W;  Xc, Yc centred, Y one-hot
//                  lambda is not multiplied by N, the intercept is not penalised
//
// train, test  f32 (N, D) and (Q, D), any device; labels in [0, classes)
// ties         the lower class wins; a class without training images has similarity 0 (nearest_mean)
// precision    double
// errors       std::invalid_argument with the shapes, a label or lambda
#include <vector>

#include "engine/tensor/tensor.h"
#include "engine/vendor/dense.h"

namespace nagare::ssl {

struct LabelledFeatures {
  Tensor features;
  std::vector<std::int64_t> labels;
  std::int64_t classes = 0;
};

struct ProbeResult {
  vendor::DenseMatrix scores;  // (Q, classes)
  std::vector<std::int64_t> predictions;
};

struct RidgeProbe {
  vendor::DenseMatrix weight;  // (D, classes)
  std::vector<double> bias;    // (classes)
};

ProbeResult nearest_mean(const LabelledFeatures& train, const Tensor& test);
RidgeProbe fit_ridge(const LabelledFeatures& train, double lambda);
ProbeResult apply(const RidgeProbe& probe, const Tensor& test);

// Percent of the predictions that are right; NaN for none.
double accuracy(const std::vector<std::int64_t>& predictions, const std::vector<std::int64_t>& labels);

}  // namespace nagare::ssl
