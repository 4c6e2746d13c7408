#pragma once
// What image sets drawn from formulas have in common: options, splits, colours.
//
// images    a pure function of the spec. Test images have instance numbers of their own, from 2^30 on, so that more
//           training images leave them alone
#include <functional>

#include "kernels/philox.h"
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

struct DrawnSet {
  std::int64_t classes;
  std::int64_t size;  // pixels on a side
  std::uint64_t seed;
  std::int64_t train;  // images per class
  std::int64_t test;
};

// classes= (10), size= (32), seed= (0), per-class= (200), test-per-class= (50).
DrawnSet read_drawn(const DataSpec& spec);

// A run of images of a split, which goes class by class.
struct DrawnPart {
  std::int64_t begin;  // of the split
  std::int64_t per_class;
  std::uint32_t first_instance;

  std::uint32_t class_of(std::int64_t i) const { return static_cast<std::uint32_t>((begin + i) / per_class); }
  std::uint32_t instance_of(std::int64_t i) const {
    return first_instance + static_cast<std::uint32_t>((begin + i) % per_class);
  }
};

// Fills `images`, u8 (count, size, size, 3), on their device.
using DrawImages = std::function<void(const DrawnPart& part, const Tensor& images)>;

// Classes are called "NAME 0", "NAME 1", ...; at most `part` images are drawn at a time.
Dataset draw_dataset(const DrawnSet& set, const std::string& name, std::int64_t part, Device device,
                     const DrawImages& draw);

// The descriptions that a kernel draws from, moved to the device of the images.
Tensor upload_descriptions(const void* descriptions, std::size_t bytes, Device device);

// A grey between two brightnesses, tinted a little. Strong colours of its own would let a network tell every image from
// all others by colour alone, and learn nothing about what is drawn.
void draw_tinted_grey(Philox& random, std::uint32_t darkest, std::uint32_t brightest, std::uint8_t* colour);

}  // namespace nagare::ssl
