#pragma once
// Dark experience replay, without labels: what the network makes of a stored image stays near what it made of it when the
// image arrived. der++ adds the method's own loss on stored images. docs/strategies/der.md, docs/strategies/der++.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct DerOptions {
  float alpha = 0.4F;  // weight of the distance
  float beta = 0.5F;   // der++: weight of the method's loss on a second replayed batch
  // features     the backbone's output
  // projections  what the method's loss takes; a classifier's logits
  std::string target = "features";
  std::string replay_views = "method";  // of the distance: as the method's first view; ucl: no colour steps

  OptionSet bind(bool plus_plus);
};

std::unique_ptr<Strategy> make_der(const StrategyContext& context);
std::unique_ptr<Strategy> make_der_plus_plus(const StrategyContext& context);

}  // namespace nagare::ssl
