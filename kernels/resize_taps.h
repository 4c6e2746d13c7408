#pragma once
// Which input pixels, with which weights, make output pixel i of a 1-D resize (align_corners = False). Both the
// resize and the augmentation kernels are products of two of these, one per axis.
//
//   scale = in / out,  K the filter, S its radius: bilinear K(t) = 1 - |t|, S = 1; bicubic Keys' cubic, S = 2
//   antialias       centre = scale (i + 1/2), f = max(scale, 1); taps from int(centre - S f + 1/2) to
//                   int(centre + S f + 1/2), cut at the edges; weight K((tap + 1/2 - centre) / f), normalised to
//                   sum 1; Keys with a = -1/2. This is Pillow, and PyTorch with antialias = True
//   no antialias    source = scale (i + 1/2) - 1/2 (bilinear: not below 0); 2 or 4 taps around it, whatever the
//                   scale; indices are clamped at the edges; Keys with a = -3/4. This is PyTorch with
//                   antialias = False
//
// limits    1 <= in, out < 2^24
// accuracy  weights are computed in double and rounded once to f32
// source    Pillow, Resample.c; PyTorch, UpSample.h; Keys, IEEE TASSP 1981
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace nagare {

enum class Interpolation : std::uint8_t { bilinear, bicubic };

namespace kernels {

struct ResizeAxis {
  int in;
  int out;
  Interpolation interpolation = Interpolation::bilinear;
  bool antialias = false;
};

struct TapRange {
  int begin;
  int count;
};

NAGARE_HOST_DEVICE inline double keys_cubic(double t, double a) {
  t = t < 0 ? -t : t;
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

NAGARE_HOST_DEVICE inline double resize_support(const ResizeAxis& axis) {
  const double scale = static_cast<double>(axis.in) / axis.out;
  const double radius = axis.interpolation == Interpolation::bilinear ? 1 : 2;
  return axis.antialias && scale > 1 ? radius * scale : radius;
}

// An upper bound on the taps of one output pixel; never more than `in`.
NAGARE_HOST_DEVICE inline int max_taps(const ResizeAxis& axis) {
  const int taps = static_cast<int>(2 * resize_support(axis)) + 2;
  return taps < axis.in ? taps : axis.in;
}

// The taps of output pixel i without antialiasing.
NAGARE_HOST_DEVICE inline TapRange plain_taps(const ResizeAxis& axis, int i, float* weights) {
  const bool linear = axis.interpolation == Interpolation::bilinear;
  double source = static_cast<double>(axis.in) / axis.out * (i + 0.5) - 0.5;
  if (linear && source < 0) source = 0;
  const int base = static_cast<int>(floor(source));
  const double t = source - base;
  const int last = axis.in - 1;
  const auto clamped = [last](int tap) { return tap < 0 ? 0 : tap > last ? last : tap; };
  const int first_tap = linear ? base : base - 1;
  const int taps = linear ? 2 : 4;
  const int begin = clamped(first_tap);
  const int count = clamped(first_tap + taps - 1) - begin + 1;
  double sums[4] = {0, 0, 0, 0};  // clamped indices share one tap
  for (int k = 0; k < taps; ++k) {
    const double distance = first_tap + k - base - t;
    const double weight = linear ? 1 - (distance < 0 ? -distance : distance) : keys_cubic(distance, -0.75);
    sums[clamped(first_tap + k) - begin] += weight;
  }
  for (int k = 0; k < count; ++k) weights[k] = static_cast<float>(sums[k]);
  return {begin, count};
}

// Writes the weights of output pixel i, at most max_taps(axis) of them.
NAGARE_HOST_DEVICE inline TapRange fill_taps(const ResizeAxis& axis, int i, float* weights) {
  if (!axis.antialias) return plain_taps(axis, i, weights);
  const double scale = static_cast<double>(axis.in) / axis.out;
  const double stretch = scale > 1 ? scale : 1;
  const double support = resize_support(axis);
  const double centre = scale * (i + 0.5);
  const int low = static_cast<int>(centre - support + 0.5);
  const int high = static_cast<int>(centre + support + 0.5);
  const int begin = low < 0 ? 0 : low;
  const int count = (high < axis.in ? high : axis.in) - begin;
  const auto weight = [&](int k) {
    const double t = (begin + k + 0.5 - centre) / stretch;
    if (axis.interpolation == Interpolation::bicubic) return keys_cubic(t, -0.5);
    const double distance = t < 0 ? -t : t;
    return distance < 1 ? 1 - distance : 0.0;
  };
  double sum = 0;
  // Unrolled, the arithmetic in double would take most of a GPU thread's registers, for loops that run once per axis.
  // (nvcc's host pass does not know the pragma.)
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (int k = 0; k < count; ++k) sum += weight(k);
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (int k = 0; k < count; ++k) weights[k] = static_cast<float>(weight(k) / sum);
  return {begin, count};
}

}  // namespace kernels
}  // namespace nagare
