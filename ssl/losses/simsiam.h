#pragma once
// SimSiam: each view's prediction should point where the other view's projection does.
//
//   L = -(1/2B) sum_i [ cos(p1_i, sg z2_i) + cos(p2_i, sg z1_i) ]          sg: stop-gradient
//   cos(a, b) = a.b / (max(|a|, e) max(|b|, e)),  e = 1e-8
//   dL/dp1_i = -(1/2B) (z^ - (p^ . z^) p^) / |p1_i|,  p^ and z^ the unit rows; z gets no gradient here
//
// p, z    (B, D), f32 or bf16 (computed in f32); B >= 1
// range   [-1, 1]; -1 within the first steps means collapse
// errors  std::invalid_argument with the shapes
// source  Chen and He, CVPR 2021, eq. 1-2
#include "ssl/losses/predicted_view.h"

namespace nagare::ssl {

Tensor simsiam_loss(const PredictedView& first, const PredictedView& second);

}  // namespace nagare::ssl
