#pragma once
// BYOL: each view's prediction regresses the other view's unit target, which a momentum network made.
//
//   L = (1/B) sum_i [ (2 - 2 cos(p1_i, sg z2_i)) + (2 - 2 cos(p2_i, sg z1_i)) ]          sg: stop-gradient
//   cos(a, b) = a.b / (max(|a|, e) max(|b|, e)),  e = 1e-8
//   dL/dp1_i = -(2/B) (z^ - (p^ . z^) p^) / |p1_i|,  p^ and z^ the unit rows; z gets no gradient here
//
// p, z    (B, D), f32 or bf16 (computed in f32); B >= 1
// range   [0, 8]; near 4 at the start, near 0 within the first steps means collapse
// errors  std::invalid_argument with the shapes
// source  Grill et al., NeurIPS 2020, eq. 2
#include "ssl/losses/predicted_view.h"

namespace nagare::ssl {

Tensor byol_loss(const PredictedView& first, const PredictedView& second);

}  // namespace nagare::ssl
