#pragma once
// The measures without labels of a network: representation.h on its features of some images.
//
// images     at most `images` of the test images, evenly spaced; with fewer than 2 nothing is measured
// alignment  of two views of each by SimSiam's augmentation, whatever the method trained with, so that methods compare
// errors     Diverged for features that are not finite
#include "ssl/eval/evaluation.h"
#include "ssl/eval/network_view.h"

namespace nagare::ssl {

// features: of network.query_images, f32 (Q, D).
Measures measure(const NetworkView& network, const Tensor& features, std::int64_t images, std::uint64_t seed);

}  // namespace nagare::ssl
