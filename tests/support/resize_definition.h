#pragma once
// The weights of a resize, written from the definition in double and without tap ranges.
#include <algorithm>
#include <cmath>

#include "kernels/resize_taps.h"

namespace nagare::test {

// The weight of input index `tap` in output index i.
inline double resize_weight(const kernels::ResizeAxis& axis, int i, int tap) {
  const bool linear = axis.interpolation == Interpolation::bilinear;
  const double scale = static_cast<double>(axis.in) / axis.out;
  const double a = axis.antialias ? -0.5 : -0.75;
  const auto filter = [&](double t) {
    t = std::abs(t);
    if (linear) return t < 1 ? 1 - t : 0.0;
    if (t < 1) return (a + 2) * t * t * t - (a + 3) * t * t + 1;
    return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0.0;
  };
  if (axis.antialias) {
    const double stretch = std::max(scale, 1.0);
    double sum = 0;
    for (int k = 0; k < axis.in; ++k) sum += filter((k + 0.5 - scale * (i + 0.5)) / stretch);
    return filter((tap + 0.5 - scale * (i + 0.5)) / stretch) / sum;
  }
  double source = scale * (i + 0.5) - 0.5;
  if (linear) source = std::max(source, 0.0);
  const int centre = static_cast<int>(std::floor(source));
  double weight = 0;
  for (int k = centre - 2; k <= centre + 3; ++k) {
    if (std::clamp(k, 0, axis.in - 1) == tap) weight += filter(k - source);
  }
  return weight;
}

}  // namespace nagare::test
