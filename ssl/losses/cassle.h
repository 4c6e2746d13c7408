#pragma once
// CaSSLe: a predictor on today's features foretells those of the network of the task before, view by view. The loss takes
// the form of the method that it distils:
//
//   byol     L = 1/2 sum over views v of mean_i (2 - 2 cos(p_v_i, sg z_v_i))       (SimSiam too)
//   barlow   L = 1/2 sum over views v of Barlow(p_v, sg z_v), lambda 0.005, scale 0.1
//   mse      L = 1/2 sum over views v of mean over all entries (p_v - sg z_v)^2    (VICReg)
//   contrastive
//            L = 1/2 (InfoNCE(P, sg Z) + InfoNCE(sg Z, P)), P and Z the rows of all views: a row's positive is the old
//            network's row of the same view, all other rows are negatives, those of the image's other views too
//            (SimCLR, MoCo, SupCon)
//   prototypes
//            L = mean over rows of all views of [ -sum_k softmax(z^ . F_k / T) log softmax(p^ . N_k / T) ], z^, p^ unit rows,
//            F the old network's prototypes, a constant, N new ones that are learned with the predictor (SwAV, DINO)
//
// p       predictor's output (B, D);  z  (B, D) of the frozen network, a constant; f32 or bf16, computed in f32
// errors  std::invalid_argument with the shapes
// source  Fini et al., CVPR 2022, eq. 4-5 and table 1
#include "ssl/losses/barlow.h"
#include "ssl/losses/predicted_view.h"

namespace nagare::ssl {

Tensor cassle_byol_loss(const PredictedView& first, const PredictedView& second);
Tensor cassle_barlow_loss(const PredictedView& first, const PredictedView& second,
                          const Barlow& options = {.lambda = 0.005F, .scale = 0.1F});
Tensor cassle_mse_loss(const PredictedView& first, const PredictedView& second);
// (V B, D) each.
Tensor cassle_contrastive_loss(const PredictedView& all_views, float temperature);

// F and N, (K, D) f32, taken as they are.
struct PrototypePair {
  Tensor old;
  Tensor learned;
};
// (V B, D) each.
Tensor cassle_prototype_loss(const PredictedView& all_views, const PrototypePair& prototypes,
                             float temperature);

}  // namespace nagare::ssl
