#pragma once
// Turns images into a method's views, and into what the evaluation looks at: on the images' device, in one kernel.
//
//   Augmenter augmenter(seed);
//   Views views = augmenter.apply(batch, method.view_plan(), step, DType::bf16);
//
// Every view is a function of (seed, step, image id, view, draw) alone: the same bits for any number of threads and any
// batch the image is in, and the same parameters on every device. An id that is twice in a batch gets the same
// views twice. Nothing here is recorded by the tape.
#include <cstdint>
#include <span>

#include "ssl/augment/view_plan.h"
#include "ssl/core/batch.h"

namespace nagare::ssl {

class Augmenter {
 public:
  explicit Augmenter(std::uint64_t seed) : seed_(seed) {}

  // batch.images  (B, H, W, 3) u8; B ids
  // draw          which views of an image at this step: those of other draws are others. 0 <= draw < 65536
  // returns       (V * B, size, size, 3) of `dtype` (f32 or bf16), view-major
  // errors        BadConfig for a plan that is out of range, or a padded crop larger than the padded image;
  //               std::invalid_argument for images or ids of the wrong kind
  Views apply(const Batch& batch, const ViewPlan& plan, std::int64_t step, DType dtype,
              std::int64_t draw = 0) const;

 private:
  std::uint64_t seed_;
};

// (B, H, W, 3) u8 -> (B, size, size, 3): (x / 255 - mean) / std. Images of another size: the largest centred
// square, resized (bilinear, antialiased). mean and std have 3 values.
Tensor evaluation_images(const Tensor& images, std::span<const float> mean, std::span<const float> std,
                         std::int64_t size, DType dtype);

}  // namespace nagare::ssl
