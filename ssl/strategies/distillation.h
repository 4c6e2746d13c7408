#pragma once
// What distillations through a predictor share: the predictor, and what it makes of today's rows beside what another
// network made of the same views.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/mlp.h"
#include "ssl/core/batch.h"
#include "ssl/losses/predicted_view.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

// Linear(D, hidden), batch norm, ReLU, Linear(hidden, D), with parameters of its own.
class Predictor {
 public:
  Predictor(std::int64_t dim, std::int64_t hidden, const StrategyContext& context);

  // One view after the other, so that batch-norm statistics are each view's own. targets: (V B, D), constants.
  std::vector<PredictedView> predict(const ViewRows& rows, const Tensor& targets, std::int64_t views) const;
  Tensor forward(const Tensor& rows) const { return mlp_.forward(rows, /*training=*/true); }
  // Under "predictor.": the optimiser trains it.
  void list_state(nn::StateList& list) const;

 private:
  models::Mlp mlp_;
};

// weight times the mean over rows of all views of cos(p, sg z).
Tensor mean_view_cosine(std::span<const PredictedView> views, float weight);
// The views below each other.
PredictedView all_views(std::span<const PredictedView> views);

}  // namespace nagare::ssl
