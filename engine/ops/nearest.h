#pragma once
// The nearest rows of a bank, and their votes. Nothing here has a gradient. kernels/nearest.h, kernels/vote.h
#include "engine/tensor/tensor.h"
#include "kernels/vote.h"

namespace nagare {

struct NearestRows {
  Tensor similarity;  // f32 (Q, k), falling; NaN throughout for a query that has a NaN similarity
  Tensor index;       // i64 (Q, k), rows of the bank; -1 for such a query
};

// queries (Q, D) and bank (N, D), both f32 or both bf16, on one device; 1 <= k <= N. penalty: undefined, or f32 (N), taken
// from every similarity with that row. Where the device multiplies bf16 faster, f32 rows are searched through bf16
// copies, which does not change the neighbours. std::invalid_argument with the shapes.
NearestRows nearest(const Tensor& queries, const Tensor& bank, std::int64_t k, const Tensor& penalty = {});

struct VoteRule {
  std::int64_t classes = 0;
  kernels::VoteWeight weight = kernels::VoteWeight::exponential;
  float temperature = 0.07F;
};

// f64 (Q, classes): every query's sum of weights per class. labels: i64 (N), on the device of the rows.
Tensor vote(const NearestRows& nearest, const Tensor& labels, const VoteRule& rule);

}  // namespace nagare
