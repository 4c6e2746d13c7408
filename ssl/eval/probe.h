#pragma once
// Closed-form classifiers on frozen features: nearest class mean, and ridge regression to one-hot labels.
//
//   nearest_mean   class means of unit rows, made unit again; the class of the largest cosine
//   ridge          W = (Xc^T Xc + lambda I)^-1 Xc^T Yc,  b = mean(Y) - mean(X) W;  Xc, Yc centred, Y one-hot
//                  lambda is not multiplied by N, the intercept is not penalised. With fewer images than dimensions the same
//                  W as Xc^T (Xc Xc^T + lambda I)^-1 Yc
//   choice of lambda one of {1e-4, 1e-3, ..., 1e2} trace(Xc^T Xc) / D: the one with most right answers on a tenth of the
//                  images of every class (at least one where there are two), fitted on the others; of equals the largest.
//                  Without such images 1 x trace / D
//
// train, test  f32 (N, D) and (Q, D), any device; labels in [0, classes)
// ties         the lower class wins; a class without training images has similarity 0 (nearest_mean)
// precision    double
// cost         N D^2 + D^3 / 3 multiply-adds a fit, or N^2 D + N^3 / 3; the choice: one of nine tenths, and a solution a candidate
// errors       std::invalid_argument with the shapes, a label or lambda
#include <vector>

#include "engine/vendor/dense.h"
#include "ssl/eval/labelled_subset.h"

namespace nagare::ssl {

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
// seed: which images are held out
double choose_ridge_lambda(const LabelledFeatures& train, std::uint64_t seed);
ProbeResult apply(const RidgeProbe& probe, const Tensor& test);

// Percent of the predictions that are right; NaN for none.
double accuracy(const std::vector<std::int64_t>& predictions, const std::vector<std::int64_t>& labels);

}  // namespace nagare::ssl
