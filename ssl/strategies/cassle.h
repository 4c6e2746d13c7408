#pragma once
// CaSSLe: a predictor foretells, from today's projections, those of the network at the end of the task before; the loss
// takes the form of the method's own. docs/strategies/cassle.md
#include <memory>
#include <span>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/losses/predicted_view.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct CassleOptions {
  std::string form = "method";  // of the loss: the method's own (MethodTraits::distilled_as), or one by name
  float strength = 0.0F;        // lambda; 0: the form's own, 25 for mse and 1 for the others
  float temperature = 0.0F;     // contrastive, prototypes; 0: the form's own, 0.2 and 0.1
  std::int64_t hidden = 2048;   // of the predictor
  std::string norm = "batch";   // batch-norm statistics of the old network: the batch's, or its own

  OptionSet bind();
};

// Every form but prototypes, which needs some (ssl/losses/cassle.h). The distillation of V views, V >= 1: the mean over views of the form's loss (ssl/losses/cassle.h), which for two views is
// the half sum that the paper has; contrastive: over the rows of all views at once.
Tensor cassle_loss(DistilledAs form, std::span<const PredictedView> views, float temperature);

std::unique_ptr<Strategy> make_cassle(const StrategyContext& context);

}  // namespace nagare::ssl
