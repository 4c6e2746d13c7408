#include "engine/nn/init.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/philox_fill.h"

namespace nagare::nn {
namespace {

Tensor parameter(const std::vector<float>& values, const Shape& shape, Device device) {
  Tensor t = Tensor::from(values, shape, device);
  t.set_requires_grad(true);
  return t;
}

// The stream of the n-th parameter. One Philox stream holds 2^26 draws, more than the largest tensor needs.
RandomKey stream_of(std::uint64_t seed, std::uint32_t n) {
  return {.seed = seed, .purpose = Purpose::init, .sample = n};
}

}  // namespace

Tensor Initializer::normal(const Shape& shape, double standard_deviation) {
  Philox random(stream_of(seed_, drawn_++));
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); i += 2) {  // Box and Muller: two values from two draws
    const double radius =
        standard_deviation * std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(random.uniform())));
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(random.uniform());
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return parameter(values, shape, device_);
}

Tensor Initializer::uniform(const Shape& shape, double bound) {
  Tensor t = Tensor::empty(shape, {.device = device_});
  const kernels::PhiloxFill p{.key = stream_of(seed_, drawn_++), .n = shape.numel()};
  const kernels::UniformRange range{static_cast<float>(-bound), static_cast<float>(bound)};
  NAGARE_DISPATCH(device_, philox_uniform(p, range, t.data<float>(), t.stream()));
  t.set_requires_grad(true);
  return t;
}

Tensor Initializer::constant(const Shape& shape, float value) const {
  return parameter(std::vector<float>(static_cast<std::size_t>(shape.numel()), value), shape, device_);
}

double kaiming_fan_out(const Shape& ohwi) {
  return std::sqrt(2.0 / static_cast<double>(ohwi[0] * ohwi[1] * ohwi[2]));
}

}  // namespace nagare::nn
