#pragma once
// Synaptic intelligence: parameters that earned much of the loss's decrease are held near where they were at the end of
// the task before. docs/strategies/si.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct SiOptions {
  // path  the path integral: what each parameter's movement earned, gradient of the method's loss times step
  // ucl   the published program of UCL: nominal rate times the squared gradient, penalty and clipping included
  std::string mode = "path";
  float strength = 100.0F;  // c
  float xi = 1.0F;          // damping: keeps the importance of a parameter that did not move finite
  float clip = 1.0F;        // every gradient's elements to [-clip, clip]; 0: not clipped
  float ucl_rate = 0.03F;   // ucl: the nominal learning rate

  OptionSet bind();
};

// path / ((now - start)^2 + xi), element by element, in f64: what a task adds to the importance.
Tensor si_importance(const Tensor& path, const Tensor& now, const Tensor& start, double xi);

std::unique_ptr<Strategy> make_si(const StrategyContext& context);

}  // namespace nagare::ssl
