#pragma once
// The steps of the augmentation on one RGB pixel in [0, 1], shared by both twins. Formulas: torchvision's, on floats.
//
//   grey        0.2989 r + 0.587 g + 0.114 b
//   brightness  clip(f x)
//   contrast    clip(f x + (1 - f) m), m the mean grey of the image
//   saturation  clip(f x + (1 - f) grey)
//   hue         RGB -> HSV, h = (h + shift) mod 1, HSV -> RGB; the order of ties in the maximum is r, g, b
//   solarise    x >= threshold ? 1 - x : x
//
// Selections are written so that a loop over pixels has no branch: compilers turn it into vector code.
#include <cmath>

#include "kernels/host_device.h"

namespace nagare::kernels {

struct Rgb {
  float r;
  float g;
  float b;
};

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float clip_unit(float x) {
  const float low = x < 0.0F ? 0.0F : x;
  return low > 1.0F ? 1.0F : low;
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float grey_of(const Rgb& x) {
  return 0.2989F * x.r + 0.587F * x.g + 0.114F * x.b;
}

// clip(factor * x + (1 - factor) * other): brightness has other = 0, contrast the mean grey, saturation the
// pixel's grey.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE Rgb blend(const Rgb& x, float factor, float other) {
  const float rest = (1.0F - factor) * other;
  return {clip_unit(factor * x.r + rest), clip_unit(factor * x.g + rest), clip_unit(factor * x.b + rest)};
}

// One channel of HSV -> RGB with c = v s: v - c clip(min(k, 4 - k)), k = (n + 6 h) mod 6, n = 5, 3, 1 for r, g, b.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float channel_of_hsv(float n, float six_h, float v, float c) {
  const float turn = n + six_h;
  const float wrapped = turn - 6.0F;
  const float k = turn >= 6.0F ? wrapped : turn;
  const float mirrored = 4.0F - k;
  return v - c * clip_unit(k < mirrored ? k : mirrored);
}

// shift in turns, [-0.5, 0.5].
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE Rgb shift_hue(const Rgb& x, float shift) {
  const float gb_max = x.g > x.b ? x.g : x.b;
  const float gb_min = x.g < x.b ? x.g : x.b;
  const float max = x.r > gb_max ? x.r : gb_max;
  const float min = x.r < gb_min ? x.r : gb_min;
  const float chroma = max - min;
  const float divisor = chroma == 0.0F ? 1.0F : chroma;
  const float green_blue = x.g - x.b;
  const float blue_red = x.b - x.r;
  const float red_green = x.r - x.g;
  const float below_red = max == x.g ? blue_red : red_green;
  const float difference = max == x.r ? green_blue : below_red;
  const float past_red = max == x.g ? 2.0F : 4.0F;
  const float sector = max == x.r ? 0.0F : past_red;
  const float sixths = sector + difference / divisor;
  const float turned = sixths + 6.0F * shift;  // in [-4, 8)
  const float raised = turned + 6.0F;
  const float positive = turned < 0.0F ? raised : turned;
  const float lowered = positive - 6.0F;
  const float six_h = positive >= 6.0F ? lowered : positive;
  return {channel_of_hsv(5.0F, six_h, max, chroma), channel_of_hsv(3.0F, six_h, max, chroma),
          channel_of_hsv(1.0F, six_h, max, chroma)};
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float solarise(float x, float threshold) {
  const float inverted = 1.0F - x;
  return x >= threshold ? inverted : x;
}

// An unnormalised weight of the blur, `distance` pixels from its centre; in double, as the weights are few.
NAGARE_HOST_DEVICE inline double gaussian(int distance, float sigma) {
  const double t = distance / static_cast<double>(sigma);
  return exp(-0.5 * t * t);
}

// Index of a pixel in [-(n-1), 2(n-1)], mirrored into [0, n) without repeating the edge.
NAGARE_HOST_DEVICE inline int reflect(int i, int n) {
  const int above = i < 0 ? -i : i;
  return above < n ? above : 2 * (n - 1) - above;
}

}  // namespace nagare::kernels
