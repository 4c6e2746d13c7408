#include "ssl/strategies/distillation.h"

#include "engine/ops/shape_ops.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kPredictorSeed = 64;  // beside the methods' heads

}  // namespace

Predictor::Predictor(std::int64_t dim, std::int64_t hidden, const StrategyContext& context)
    : mlp_({.widths = {dim, hidden, dim},
            .seed = head_seed(context.seed, kPredictorSeed),
            .device = context.device}) {}

std::vector<PredictedView> Predictor::predict(const ViewRows& rows, const Tensor& targets,
                                              std::int64_t views) const {
  const std::int64_t batch = targets.shape()[0] / views;
  std::vector<PredictedView> predicted;
  for (std::int64_t v = 0; v < views; ++v) {
    predicted.push_back(
        {.prediction = forward(rows.view(v, views)), .projection = targets.rows(v * batch, batch).detach()});
  }
  return predicted;
}

void Predictor::list_state(nn::StateList& list) const {
  const nn::StateList::Scope scope(list, "predictor");
  mlp_.list_state(list);
}

PredictedView all_views(std::span<const PredictedView> views) {
  std::vector<Tensor> predictions;
  std::vector<Tensor> projections;
  for (const PredictedView& view : views) {
    predictions.push_back(view.prediction);
    projections.push_back(view.projection);
  }
  return {.prediction = concat(predictions, 0), .projection = concat(projections, 0)};
}

Tensor mean_view_cosine(std::span<const PredictedView> views, float weight) {
  const PredictedView all = all_views(views);
  return mean_prediction_cosine(all.prediction, all.projection, weight);
}

}  // namespace nagare::ssl
