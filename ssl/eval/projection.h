#pragma once
// Features as points in the plane, for the eye.
//
// features  f32 (N, D), N >= 3; rows are made unit first, as the kNN compares them
//
//   pca_2d    the two directions of most variance; explained[k] = its share of the variance. Of the two signs of a
//             direction, the one in which the point of largest magnitude is positive
//   tsne_2d   p(j|i) ~ exp(-|x_i - x_j|^2 / (2 s_i^2)), s_i so that exp(entropy) = perplexity;
//             P = (p(j|i) + p(i|j)) / (2N), Q ~ 1 / (1 + |y_i - y_j|^2); gradient descent with momentum on
//             KL(P | Q), early exaggeration 12, from the PCA. Exact: every pair in every iteration
//
// precision    double; nothing is random: the same features give the same points
// cost         pca: an eigenproblem of order min(N, D); t-SNE: N^2 / 2 pairs per iteration
// reading      t-SNE keeps neighbours, not distances or the sizes of clusters
// errors       std::invalid_argument with the shape, a perplexity outside [2, (N - 1) / 3], or iterations < 1
// source       van der Maaten and Hinton, JMLR 2008; start from the PCA: Kobak and Berens, Nature Comm. 2019
#include <array>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

using Point = std::array<double, 2>;

struct Pca {
  std::vector<Point> points;
  Point explained{};  // shares of the variance; 0 for features that are all the same
};
Pca pca_2d(const Tensor& features);

struct TsneOptions {
  double perplexity = 30.0;
  std::int64_t iterations = 750;
};
struct Tsne {
  std::vector<Point> points;
  double divergence = 0.0;  // KL(P | Q), nats
};
Tsne tsne_2d(const Tensor& features, const TsneOptions& options = {});

}  // namespace nagare::ssl
