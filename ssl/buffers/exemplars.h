#pragma once
// Exemplars of a set of images: of every group of alike ones those whose embedding moves least when they are augmented.
//
//   groups   k-means on the anchors (k-means++ from Philox, then Lloyd's steps until no row changes its group, 50 at most)
//   score_i  sum over views v, the anchor among them, of |e_vi - normalise(mean_v e_vi)|^2; the smallest are taken
//
// deterministic  f64 sums in the order of the rows; of equals the first
// cost           N k D multiply-adds for each of Lloyd's steps
// source         Lin et al., ICME 2022 (`min_var`); Arthur and Vassilvitskii, SODA 2007 (k-means++)
#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare::ssl {

// The group of each row of (N, D) f32; k >= 1, groups may be empty. std::invalid_argument otherwise.
std::vector<std::int64_t> k_means(const Tensor& rows, std::int64_t k, const RandomKey& key);

// score_i of V views of N images: (V, N, D) f32 unit rows.
std::vector<double> view_variance(const Tensor& views);

// Of every group the `each` rows with the smallest scores, ascending by index; all of a group that has no more.
std::vector<std::int64_t> smallest_of_groups(const std::vector<double>& scores,
                                             const std::vector<std::int64_t>& groups, std::int64_t each);

}  // namespace nagare::ssl
