#pragma once
// Which training images a readout may know the labels of: class-balanced, drawn by a seed.
//
// Which ones depends on (seed, class) alone: a smaller subset lies within every larger one of the same seed.
// labels   in [0, classes). Returned ids are ascending
#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct LabelledFeatures {
  Tensor features;  // f32 (N, D)
  std::vector<std::int64_t> labels;
  std::int64_t classes = 0;
  std::vector<std::int64_t> domains = {};  // the source of every row where there are several; else empty
};

// The rows `ids`, in that order; at least one.
Tensor take_rows(const Tensor& features, const std::vector<std::int64_t>& ids);
LabelledFeatures take_rows(const LabelledFeatures& labelled, const std::vector<std::int64_t>& ids);

// round(fraction * n) of the n images of every class, at least one where there is one. fraction in (0, 1].
std::vector<std::int64_t> labelled_share(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                         double fraction, std::uint64_t seed);

// `total` images, total / classes of every class, the first (total mod classes) classes one more; of a class with fewer
// images all.
std::vector<std::int64_t> labelled_count(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                         std::int64_t total, std::uint64_t seed);

}  // namespace nagare::ssl
