#pragma once
// One augmented view per crop, in one pass: images in, the network's input out.
//
// Steps, in this order, on floats in [0, 1] (u8 input: value / 255); each step's formula is in
// augment_steps.h:
//   crop and resize   box (top, left, height, width) to size x size, see resize_taps.h; outside the image is
//   0 flip              columns reversed colour jitter     the parts named in `order`, in that order
//   grayscale         three equal channels
//   blur              separable Gaussian, weights exp(-x^2 / (2 sigma^2)) normalised, edges mirrored (not
//   repeated) solarise          x >= threshold ? 1 - x : x normalise         (x - mean) / std
//
// images    (images, height, width, 3) u8, or f32 in [0, 1]
// crops     one AugmentParameters per view, in the memory of the twin's device
// out       (crops, size, size, 3) f32 or bf16
// scratch   work_bytes() bytes, 16-byte aligned; contents are of no interest afterwards
// accuracy  arithmetic is f32; |y - exact| <= 1e-5 before the normalisation; the twins differ in the last
// bits only determinism  a crop's bits depend on its image and parameters alone cost      CPU: see
// docs/kernels/augment.md; floor: the box's bytes read, 12 (6) size^2 bytes written errors
// std::invalid_argument for sizes; the contents of `crops` are the caller's promise (check_crop)
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/resize_taps.h"
#include "kernels/stream.h"

namespace nagare::kernels {

enum class ColourStep : std::uint8_t { none, brightness, contrast, saturation, hue };

// Everything about one view. The defaults switch every step off: the box is all that must be given.
struct AugmentParameters {
  std::int32_t image = 0;  // which of the images
  std::int32_t top = 0;    // the box, in pixels; may reach outside the image
  std::int32_t left = 0;
  std::int32_t height = 1;  // 1 .. max(height, size) of the Augment
  std::int32_t width = 1;   // 1 .. max(width, size)
  Interpolation interpolation = Interpolation::bilinear;
  bool antialias = false;
  bool clip = false;  // the resized box to [0, 1]: bicubic overshoots, 8-bit images cannot
  bool flip = false;
  ColourStep order[4] = {ColourStep::none, ColourStep::none, ColourStep::none, ColourStep::none};
  float brightness = 1.0F;  // factors, >= 0
  float contrast = 1.0F;
  float saturation = 1.0F;
  float hue = 0.0F;  // turns, [-0.5, 0.5]
  bool grayscale = false;
  std::int32_t blur_kernel = 0;         // taps, odd, (blur_kernel - 1) / 2 < size; 0: no blur
  float blur_sigma = 1.0F;              // pixels, > 0
  float solarise_threshold = INFINITY;  // infinite: off
  float mean[3] = {0.0F, 0.0F, 0.0F};
  float std[3] = {1.0F, 1.0F, 1.0F};
};

struct Augment {
  std::int64_t images;  // >= 0
  std::int64_t height;  // of the images, >= 1
  std::int64_t width;
  std::int64_t crops;  // >= 0
  std::int64_t size;   // of the views, 1 .. 4096
  std::int64_t slots =
      1;  // crops worked on at the same time, each with its own part of the scratch, 1 .. 65535

  void check() const;
  // std::invalid_argument naming what is wrong with a crop of these images.
  void check_crop(const AugmentParameters& crop) const;
  std::size_t bytes_per_slot() const;
  std::size_t work_bytes() const { return static_cast<std::size_t>(slots) * bytes_per_slot(); }
};

// The parts of one slot's scratch.
struct AugmentWork {
  float* planes;     // 3 x size x size: the view, channel by channel
  float* temporary;  // size x size, for the blur
  float* row;  // one row of the box between the two passes of the resize, and the blur's weights afterwards
  float* weights_y;  // size x taps each
  float* weights_x;
  TapRange* taps_y;  // size each
  TapRange* taps_x;
};

// Floats per output pixel in weights_y and weights_x.
NAGARE_HOST_DEVICE inline std::int64_t augment_taps(const Augment& p) {
  const std::int64_t longest = p.height > p.width ? p.height : p.width;
  return 4 * ((longest + p.size - 1) / p.size) + 2;
}

// Floats in `row`: a row of the widest box and one pixel more, which the 4-wide CPU loop reads and ignores.
NAGARE_HOST_DEVICE inline std::int64_t augment_row(const Augment& p) {
  return 3 * (p.width > p.size ? p.width : p.size) + 4;
}

NAGARE_HOST_DEVICE inline AugmentWork carve_work(const Augment& p, void* slot) {
  const std::int64_t pixels = p.size * p.size;
  const std::int64_t weights = p.size * augment_taps(p);
  AugmentWork work;
  work.planes = static_cast<float*>(slot);
  work.temporary = work.planes + 3 * pixels;
  work.row = work.temporary + pixels;
  work.weights_y = work.row + augment_row(p);
  work.weights_x = work.weights_y + weights;
  work.taps_y = reinterpret_cast<TapRange*>(work.weights_x + weights);
  work.taps_x = work.taps_y + p.size;
  return work;
}

namespace cpu {
template <class In, class Out>
void augment(const Augment& p, const In* images, const AugmentParameters* crops, Out* out, void* scratch,
             Stream stream);
}
namespace cuda {
template <class In, class Out>
void augment(const Augment& p, const In* images, const AugmentParameters* crops, Out* out, void* scratch,
             Stream stream);
}

}  // namespace nagare::kernels
