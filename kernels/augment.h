#pragma once
// One augmented view per crop, in one pass: images in, the network's input out.
//
// Steps, in this order, on floats in [0, 1] (u8 input: value / 255); formulas: augment_steps.h, resize_taps.h
//   crop and resize   the box (top, left, height, width) to the view's size; outside the image is 0
//   flip              columns reversed
//   colour jitter     the parts named in `order`, in that order
//   grayscale         three equal channels
//   blur              separable Gaussian, weights exp(-x^2 / (2 sigma^2)) normalised, edges mirrored, not repeated
//   solarise          x >= threshold ? 1 - x : x
//   normalise         (x - mean) / std
//
// images       (images, height, width, 3) u8, or f32 in [0, 1]
// crops        one AugmentParameters per view, in the memory of the twin's device
// out          (crops, out_height, out_width, 3) f32 or bf16
// scratch      work_bytes() bytes, 16-byte aligned; contents are of no interest afterwards
// accuracy     arithmetic is f32: |x - exact| <= 1e-5 before the normalisation; twins differ in the last bits only
// determinism  a crop's bits depend on its image and parameters alone
// cost         docs/kernels/augment.md; floor: the box's bytes read, 12 (bf16: 6) bytes written per pixel
// errors       std::invalid_argument for sizes; the contents of `crops` are the caller's promise (check_crop)
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
  std::int32_t height = 1;  // 1 .. max(height, out_height) of the Augment
  std::int32_t width = 1;   // 1 .. max(width, out_width)
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
  std::int32_t blur_kernel = 0;         // taps, odd, (blur_kernel - 1) / 2 < both sides of the view; 0: none
  float blur_sigma = 1.0F;              // pixels, > 0
  float solarise_threshold = INFINITY;  // infinite: off
  float mean[3] = {0.0F, 0.0F, 0.0F};
  float std[3] = {1.0F, 1.0F, 1.0F};
};

struct Augment {
  std::int64_t images;  // >= 0
  std::int64_t height;  // of the images, >= 1
  std::int64_t width;
  std::int64_t crops;       // >= 0
  std::int64_t out_height;  // of the views, 1 .. 4096
  std::int64_t out_width;
  // Crops worked on at the same time, each with its own part of the scratch, 1 .. 65535.
  std::int64_t slots = 1;

  void check() const;
  // std::invalid_argument naming what is wrong with a crop of these images.
  void check_crop(const AugmentParameters& crop) const;
  NAGARE_HOST_DEVICE std::int64_t out_pixels() const { return out_height * out_width; }
  std::size_t bytes_per_slot() const;
  std::size_t work_bytes() const { return static_cast<std::size_t>(slots) * bytes_per_slot(); }
};

// The parts of one slot's scratch.
struct AugmentWork {
  float* planes;     // 3 x out_height x out_width: the view, channel by channel
  float* temporary;  // out_height x out_width, for the blur
  float* row;  // one row of the box between the two passes of the resize, and the blur's weights afterwards
  float* weights_y;  // augment_taps() for each output index
  float* weights_x;
  TapRange* taps_y;  // one for each output index
  TapRange* taps_x;
};

// Floats per output index in weights_y and weights_x.
NAGARE_HOST_DEVICE inline std::int64_t augment_taps(const Augment& p) {
  const std::int64_t longest = p.height > p.width ? p.height : p.width;
  const std::int64_t shortest = p.out_height < p.out_width ? p.out_height : p.out_width;
  const std::int64_t longest_out = p.out_height < p.out_width ? p.out_width : p.out_height;
  const std::int64_t box = longest > longest_out ? longest : longest_out;
  return 4 * ((box + shortest - 1) / shortest) + 2;
}

// Floats in `row`: a row of the widest box and one pixel more, which the 4-wide CPU loop reads and ignores.
NAGARE_HOST_DEVICE inline std::int64_t augment_row(const Augment& p) {
  return 3 * (p.width > p.out_width ? p.width : p.out_width) + 4;
}

NAGARE_HOST_DEVICE inline AugmentWork carve_work(const Augment& p, void* slot) {
  const std::int64_t taps = augment_taps(p);
  AugmentWork work;
  work.planes = static_cast<float*>(slot);
  work.temporary = work.planes + 3 * p.out_pixels();
  work.row = work.temporary + p.out_pixels();
  work.weights_y = work.row + augment_row(p);
  work.weights_x = work.weights_y + p.out_height * taps;
  work.taps_y = reinterpret_cast<TapRange*>(work.weights_x + p.out_width * taps);
  work.taps_x = work.taps_y + p.out_height;
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
