#pragma once
// Initial values of parameters, drawn from Philox so that every device starts from the same bits: uniform ones where they
// are needed, normal ones in double on the CPU, then moved.
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare::nn {

// A component draws its parameters one after the other; each gets a stream of its own.
class Initializer {
 public:
  explicit Initializer(std::uint64_t seed, Device device = Device::cpu) : seed_(seed), device_(device) {}

  Device device() const { return device_; }
  // f32 parameters that require a gradient.
  Tensor normal(const Shape& shape, double standard_deviation);
  Tensor uniform(const Shape& shape, double bound);  // in [-bound, bound)
  Tensor constant(const Shape& shape, float value) const;

 private:
  std::uint64_t seed_;
  Device device_;
  std::uint32_t drawn_ = 0;
};

// He et al., ICCV 2015, eq. 14 with the fan of the output, as torchvision's ResNet: sqrt(2 / (out_channels * area)).
double kaiming_fan_out(const Shape& ohwi);

}  // namespace nagare::nn
