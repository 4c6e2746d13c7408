#pragma once
// Learning without forgetting, on features: the backbone's rows stay near those of the network at the end of the task
// before. docs/strategies/lwf.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct LwfOptions {
  std::string distance = "cosine";  // cosine: 1 - cos; mse: mean squared difference
  float strength = 1.0F;            // lambda
  std::string norm = "running";     // batch-norm statistics of the old network: its own, or the batch's

  OptionSet bind();
};

// strength times the mean over rows of 1 - cos(f_r, past_r), or over entries of (f - past)^2. (N, F), f32 or bf16;
// `past` is a constant.
Tensor lwf_loss(const Tensor& features, const Tensor& past, const LwfOptions& options);

std::unique_ptr<Strategy> make_lwf(const StrategyContext& context);

}  // namespace nagare::ssl
