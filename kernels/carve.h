#pragma once
// Cuts a kernel's scratch memory into parts. With no memory it only counts, so that scratch_floats() and the kernel
// cannot disagree on the layout:
//
//   struct Layout {
//     Layout(const P& p, Carve carve) : mean(carve.take(p.cols)), k(carve.take(p.rows * p.rows)), floats(carve.used()) {}
//     float *mean, *k;
//     std::int64_t floats;
//   };
//   Layout(p, Carve(nullptr)).floats;   Layout(p, Carve(scratch)).k
#include <cstdint>

namespace nagare::kernels {

class Carve {
 public:
  explicit Carve(float* scratch) : scratch_(scratch) {}

  // The next `count` floats, from a multiple of 64 bytes on.
  float* take(std::int64_t count) {
    float* part = scratch_ == nullptr ? nullptr : scratch_ + used_;
    used_ += (count + 15) / 16 * 16;
    return part;
  }
  std::int64_t used() const { return used_; }

 private:
  float* scratch_;
  std::int64_t used_ = 0;
};

}  // namespace nagare::kernels
