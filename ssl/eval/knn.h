#pragma once
// k-nearest-neighbour classification of frozen features, weighted or plain.
//
//   cosine      s(q, f) = q . f / (|q| |f|)               weight exp(s / temperature)
//   euclidean   s(q, f) = 1 / (|q - f| + 1e-5)            weight s
//   score[c]    sum of the weights (plain: of ones) of q's k most similar bank rows that have class c
//   prediction  the class of the largest score
//
// bank, queries  f32 (N, D) and (Q, D), on one device; rows need not be unit. k > N means k = N
// ties           equal similarities: the lower bank index is nearer; equal scores: the lower class wins.
//                A class without a neighbour scores 0
// NaN            in a similarity is refused (Diverged): a diverged network has no accuracy
// cost           that of kernels/nearest.h, Q N D multiply-adds; memory Q (k + classes) and its scratch, never Q x N
// errors         std::invalid_argument with the shapes; Diverged
// source         Wu et al., CVPR 2018 (InstDisc), section 3.4
#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

enum class KnnMetric : std::uint8_t { cosine, euclidean };

struct KnnOptions {
  std::int64_t neighbours = 20;  // k
  float temperature = 0.07F;     // >= 0.002; read by the cosine weights alone
  bool weighted = true;
  KnnMetric metric = KnnMetric::cosine;
  std::int64_t classes = 0;  // every label lies in [0, classes)
};

struct KnnResult {
  std::int64_t neighbours = 0;            // k after clipping to the bank
  std::vector<std::int64_t> predictions;  // (Q)
  std::vector<std::int64_t> ranking;      // (Q, min(5, classes)) classes by falling score
  std::vector<double> scores;             // (Q, classes)
  std::vector<double> similarities;       // (Q, k) falling
  std::vector<std::int64_t> indices;      // (Q, k) rows of the bank
};

// bank_labels: one per bank row.
KnnResult knn_classify(const Tensor& bank, const std::vector<std::int64_t>& bank_labels,
                       const Tensor& queries, const KnnOptions& options);

// Percent of the queries whose label is among the first `best` (1..5) classes of the ranking; NaN for no queries.
double knn_accuracy(const KnnResult& result, const std::vector<std::int64_t>& labels, std::int64_t best = 1);

}  // namespace nagare::ssl
