#pragma once
// Runs the augmentation kernel on tensors, on either device.
#include <span>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/augment.h"
#include "kernels/dispatch.h"

namespace nagare::test {

struct ViewSize {
  std::int64_t height;
  std::int64_t width;
};

// images (n, H, W, 3) u8 or f32 -> (crops, height, width, 3) of `dtype`
inline Tensor augment(const Tensor& images, const std::vector<kernels::AugmentParameters>& crops,
                      ViewSize size, DType dtype = DType::f32) {
  const Device device = images.device();
  const kernels::Augment p{.images = images.shape()[0],
                           .height = images.shape()[1],
                           .width = images.shape()[2],
                           .crops = static_cast<std::int64_t>(crops.size()),
                           .out_height = size.height,
                           .out_width = size.width,
                           .slots = 4};
  p.check();
  for (const kernels::AugmentParameters& crop : crops) p.check_crop(crop);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(crops.data()),
                        crops.size() * sizeof(kernels::AugmentParameters));
  const Tensor table = Tensor::from(bytes, {static_cast<std::int64_t>(bytes.size())}, device);
  const Tensor scratch = Tensor::empty({static_cast<std::int64_t>(p.work_bytes())}, {DType::u8, device});
  const Tensor out = Tensor::empty({p.crops, size.height, size.width, 3}, {dtype, device});
  const auto* parameters = static_cast<const kernels::AugmentParameters*>(table.raw());
  const auto run = [&]<class In>(const In* in) {
    for_activation_type("augment", dtype, [&]<class Out>(Out) {
      NAGARE_DISPATCH(device,
                      augment(p, in, parameters, out.data<Out>(), scratch.raw(), compute_stream(device)));
    });
  };
  images.dtype() == DType::u8 ? run(images.data<std::uint8_t>()) : run(images.data<float>());
  return out;
}

}  // namespace nagare::test
