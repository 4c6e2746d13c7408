#pragma once
// What losses with a predictor get from one view, and the term they are made of.
#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct PredictedView {
  Tensor prediction;  // p (B, D), f32 or bf16
  Tensor projection;  // z (B, D), taken as a constant
};

// std::invalid_argument naming the loss and the shapes, unless all four are (B, D) alike with B and D >= 1.
void check_predicted_views(const char* loss, const PredictedView& first, const PredictedView& second);

// weight times the mean over rows of cos(prediction, sg projection); in f32 where their types differ.
Tensor mean_prediction_cosine(const Tensor& prediction, const Tensor& projection, float weight);

}  // namespace nagare::ssl
