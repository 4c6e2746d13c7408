#include "ssl/augment/mixup.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "engine/ops/elementwise.h"

namespace nagare::ssl {
namespace {

// In (0, 1): half a step beside the multiples of 2^-24.
double open_uniform(Philox& random) { return random.uniform() + 0x1p-25; }

double normal(Philox& random) {
  const double radius = std::sqrt(-2.0 * std::log(open_uniform(random)));
  return radius * std::cos(2.0 * M_PI * open_uniform(random));
}

// log of a Gamma(alpha, 1) variate: for small alpha the variate itself underflows.
double log_gamma_variate(double alpha, Philox& random) {
  const bool small = alpha < 1.0;
  const double d = (small ? alpha + 1.0 : alpha) - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal(random);
    const double v = std::pow(1.0 + c * x, 3);
    if (!(v > 0.0)) continue;
    if (std::log(open_uniform(random)) >= 0.5 * x * x + d - d * v + d * std::log(v)) continue;
    return std::log(d * v) + (small ? std::log(open_uniform(random)) / alpha : 0.0);
  }
}

}  // namespace

float draw_mixing_share(double alpha, const RandomKey& key) {
  if (!(alpha > 0.0)) {
    throw std::invalid_argument("draw_mixing_share: alpha " + std::to_string(alpha) +
                                ", need a positive number");
  }
  Philox random(key);
  const double a = log_gamma_variate(alpha, random);
  const double b = log_gamma_variate(alpha, random);
  return static_cast<float>(1.0 / (1.0 + std::exp(b - a)));
}

Tensor mixup(const Tensor& a, const Tensor& b, float share) {
  return add(scale(a, share), scale(b, 1.0F - share));
}

}  // namespace nagare::ssl
