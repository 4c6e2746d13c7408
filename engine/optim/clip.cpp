#include "engine/optim/clip.h"

#include <cmath>
#include <stdexcept>

#include "engine/optim/slots.h"
#include "kernels/dispatch.h"
#include "kernels/multi_tensor.h"

namespace nagare::optim {
namespace {

void check_limit(const char* who, double limit) {
  if (limit > 0.0 && std::isfinite(limit)) return;
  throw std::invalid_argument(std::string(who) + ": limit " + std::to_string(limit) +
                              ", need a positive number");
}

std::vector<kernels::GradientSegment> gradient_segments(const std::vector<nn::StateEntry>& parameters) {
  std::vector<kernels::GradientSegment> segments;
  for (const std::size_t i : with_gradient(parameters)) {
    const Tensor gradient = parameters[i].tensor.grad();
    segments.push_back({gradient.data<float>(), gradient.numel()});
  }
  return segments;
}

}  // namespace

Tensor clip_gradient_norm(const std::vector<nn::StateEntry>& parameters, double max_norm) {
  check_limit("clip_gradient_norm", max_norm);
  const std::vector<kernels::GradientSegment> gradients = gradient_segments(parameters);
  if (gradients.empty()) return Tensor::zeros({});
  std::vector<kernels::SumSegment> segments;
  for (const auto& g : gradients)
    segments.push_back({.parameter = nullptr, .gradient = g.gradient, .momentum = nullptr, .n = g.n});
  const Tensor& any = parameters.front().tensor;
  const Tensor norm = Tensor::empty({}, {.device = any.device()});
  const std::int64_t blocks = kernels::count_blocks(std::span<const kernels::SumSegment>(segments));
  const Tensor partials = Tensor::empty({blocks, 3}, {.device = any.device()});
  const Tensor sums =
      Tensor::empty({static_cast<std::int64_t>(segments.size()), 3}, {.device = any.device()});
  NAGARE_DISPATCH(any.device(),
                  multi_tensor_sums({}, segments, partials.data<float>(), sums.data<float>(), any.stream()));
  NAGARE_DISPATCH(any.device(), multi_tensor_clip_norm(static_cast<float>(max_norm), sums.data<float>(),
                                                       gradients, norm.data<float>(), any.stream()));
  return norm;
}

void clip_gradient_value(const std::vector<nn::StateEntry>& parameters, double limit) {
  check_limit("clip_gradient_value", limit);
  const std::vector<kernels::GradientSegment> gradients = gradient_segments(parameters);
  if (gradients.empty()) return;
  const Tensor& any = parameters.front().tensor;
  NAGARE_DISPATCH(any.device(), multi_tensor_clip_value(static_cast<float>(limit), gradients, any.stream()));
}

}  // namespace nagare::optim
