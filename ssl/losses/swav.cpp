#include "ssl/losses/swav.h"

#include <stdexcept>

#include "engine/ops/view_cross_entropy.h"

namespace nagare::ssl {

SwavLoss swav_loss(const Tensor& scores, const Swav& options, const Tensor& queue) {
  const std::int64_t assigned = options.assigned_views;
  const bool matrix = scores.shape().rank() == 2 && options.views >= 2 && scores.numel() > 0 &&
                      scores.shape()[0] % options.views == 0;
  if (!matrix || assigned < 1 || assigned > options.views) {
    throw std::invalid_argument("swav_loss: scores " + to_string(scores.shape()) + ", " +
                                std::to_string(options.views) + " views, " + std::to_string(assigned) +
                                " of them assigned: need (views * B, K), views >= 2, assigned in [1, views]");
  }
  const std::int64_t batch = scores.shape()[0] / options.views;
  const Tensor codes =
      sinkhorn(scores.detach().rows(0, assigned * batch),
               {.epsilon = options.epsilon, .iterations = options.iterations, .groups = assigned}, queue);
  return {
      view_cross_entropy(scores, codes,
                         {.views = options.views, .targets = assigned, .temperature = options.temperature}),
      codes};
}

}  // namespace nagare::ssl
