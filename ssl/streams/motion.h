#pragma once
// What a stream does to its images on their way: smooth drifts over the whole stream, and the frames of a camera that moves
// across one image. Test images are never moved.
//
//   t = position / (length - 1)                    from 0 at the first arriving image to 1 at the last
//   drift    angle = rotate t,  hue = hue t,  zoom = zoom^t
//   frames   image i arrives `runs` times in a row; the camera stands 1.15 times nearer and goes straight from one random
//            place to another, each within 0.07 of the image's side, turning from one random angle within 5 degrees to
//            another; frame f is at f / (runs - 1) of the way. Places depend on (seed, image) alone.
//
// moved    out(p) = in(c + R(-angle) (p - c) / zoom + shift), p and c in pixel centres, c the middle; bilinear; beyond the
//          edge the image is mirrored, not black: a black corner would tell the angle. Then the hue is turned
//          (kernels/augment_steps.h); values are rounded to whole ones. A motion that moves nothing copies the bytes.
// id       of an arriving image: image + frame * images, images the size of the training split. Frames of one image are
//          augmented as different images.
// cost     some 30 operations a pixel and channel on the CPU, once per arriving image
// source   incremental rotation: Madaan et al., ICLR 2022, program; runs of near-duplicates: Purushwalkam et al., ECCV
//          2022, section 5; the camera's path is ours
#include <cstdint>
#include <span>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

struct Motion {
  std::int64_t runs = 1;  // frames of each image
  double rotate = 0.0;    // degrees at the end of the stream
  double hue = 0.0;       // turns of the colour circle
  double zoom = 1.0;      // factor
  std::uint64_t seed = 0;
  std::int64_t images = 1;  // of the training split
  std::int64_t length = 1;  // arriving images of the whole stream
};

// Which training image arrives under `id`.
inline std::int64_t image_of(std::int64_t id, std::int64_t images) { return id % images; }

// How an arriving image is seen.
struct Pose {
  double angle = 0.0;  // degrees, counter-clockwise
  double zoom = 1.0;   // > 1: nearer
  double right = 0.0;  // the camera's place, in shares of the image's sides from its middle
  double down = 0.0;
  double hue = 0.0;  // turns

  bool operator==(const Pose&) const = default;
};

Pose pose_of(const Motion& motion, std::int64_t position, std::int64_t id);

// in and out (height, width, 3) u8, which must not overlap.
void move_image(std::span<const std::uint8_t> in, std::int64_t height, std::int64_t width, const Pose& pose,
                std::span<std::uint8_t> out);

// Images as they arrive at these positions of the stream: (ids.size(), H, W, 3) u8 on the CPU.
// images  (N, H, W, 3) u8 on the CPU, the training split
// errors  std::invalid_argument: N is not motion.images, a negative id, not one position for each id
Tensor arriving_images(const Tensor& images, std::span<const std::int64_t> ids,
                       std::span<const std::int64_t> positions, const Motion& motion);

}  // namespace nagare::ssl
