#include "ssl/augment/augmenter.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/device/errors.h"
#include "kernels/augment.h"
#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "ssl/augment/draw.h"

namespace nagare::ssl {
namespace {

using kernels::AugmentParameters;

constexpr std::int64_t kDraws = 65536;  // that a view number leaves room for in the random key

void check_images(const char* who, const Tensor& images) {
  if (!images.defined() || images.dtype() != DType::u8 || images.shape().rank() != 4 ||
      images.shape()[3] != 3 || images.shape()[1] < 1 || images.shape()[2] < 1) {
    throw std::invalid_argument(std::string(who) + ": images " +
                                (images.defined()
                                     ? to_string(images.shape()) + " " + to_string(images.dtype())
                                     : std::string("undefined")) +
                                ", need (B, H, W, 3) u8");
  }
}

// The table of parameters where the kernel can read it.
Tensor upload(const std::vector<AugmentParameters>& crops, Device device) {
  static_assert(std::is_trivially_copyable_v<AugmentParameters>);
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(crops.data()),
                        crops.size() * sizeof(AugmentParameters));
  return Tensor::from(bytes, {static_cast<std::int64_t>(bytes.size())}, device);
}

// Crops at work together: enough to keep the device busy, few enough to keep the scratch small.
std::int64_t slots_for(Device device, std::int64_t crops) {
  const std::int64_t wanted = device == Device::cpu ? 4 * threads() : 1024;
  return std::clamp<std::int64_t>(crops, 1, wanted);
}

Tensor augment(const Tensor& images, const std::vector<AugmentParameters>& crops, std::int64_t size,
               DType dtype) {
  const Device device = images.device();
  const auto count = static_cast<std::int64_t>(crops.size());
  const kernels::Augment p{.images = images.shape()[0],
                           .height = images.shape()[1],
                           .width = images.shape()[2],
                           .crops = count,
                           .out_height = size,
                           .out_width = size,
                           .slots = slots_for(device, count)};
  p.check();
  const Tensor table = upload(crops, device);
  const Tensor scratch =
      Tensor::empty({static_cast<std::int64_t>(p.work_bytes())}, {.dtype = DType::u8, .device = device});
  const Tensor out = Tensor::empty({count, size, size, 3}, {.dtype = dtype, .device = device});
  for_activation_type("augment", dtype, [&](auto type) {
    using T = decltype(type);
    NAGARE_DISPATCH(
        device, augment(p, images.data<std::uint8_t>(), static_cast<const AugmentParameters*>(table.raw()),
                        out.data<T>(), scratch.raw(), out.stream()));
  });
  return out;
}

void check_padding(const ViewPlan& plan, ImageSize image) {
  for (const ViewRecipe& view : plan.views) {
    const std::int64_t shorter = std::min(image.height, image.width) + 2 * view.crop_padding;
    if (view.crop_padding > 0 && shorter < view.size) {
      throw BadConfig("view recipe: crops of size " + std::to_string(view.size) + " from images of " +
                      std::to_string(image.height) + " x " + std::to_string(image.width) +
                      " with crop_padding " + std::to_string(view.crop_padding) +
                      ", need a smaller size or more padding");
    }
  }
}

}  // namespace

Views Augmenter::apply(const Batch& batch, const ViewPlan& plan, std::int64_t step, DType dtype,
                       std::int64_t draw) const {
  plan.check();
  if (draw < 0 || draw >= kDraws) {
    throw std::invalid_argument("augment: draw " + std::to_string(draw) + ", need 0 to " +
                                std::to_string(kDraws - 1));
  }
  check_images("augment", batch.images);
  const std::int64_t count = batch.images.shape()[0];
  if (static_cast<std::int64_t>(batch.ids.size()) != count) {
    throw std::invalid_argument("augment: " + std::to_string(count) + " images with " +
                                std::to_string(batch.ids.size()) + " ids, need one each");
  }
  const ImageSize image{batch.images.shape()[1], batch.images.shape()[2]};
  check_padding(plan, image);
  const auto views = static_cast<std::int64_t>(plan.views.size());
  std::vector<AugmentParameters> crops(static_cast<std::size_t>(views * count));
  parallel_for(views * count, [&](std::int64_t i) {
    const std::int64_t view = i / count;
    const std::int64_t row = i % count;
    AugmentParameters& crop = crops[static_cast<std::size_t>(i)];
    crop = draw_parameters(plan.views[static_cast<std::size_t>(view)], image,
                           {.seed = seed_,
                            .purpose = Purpose::augment,
                            .step = static_cast<std::uint32_t>(step),
                            .sample = static_cast<std::uint32_t>(batch.ids[static_cast<std::size_t>(row)]),
                            .view = static_cast<std::uint32_t>(draw << 16 | view)});
    crop.image = static_cast<std::int32_t>(row);
  });
  return {.images = augment(batch.images, crops, plan.views[0].size, dtype), .views = views, .batch = count};
}

Tensor evaluation_images(const Tensor& images, std::span<const float> mean, std::span<const float> std,
                         std::int64_t size, DType dtype) {
  check_images("evaluation_images", images);
  if (mean.size() != 3 || std.size() != 3) {
    throw std::invalid_argument("evaluation_images: " + std::to_string(mean.size()) + " means and " +
                                std::to_string(std.size()) + " standard deviations, need 3 each");
  }
  const std::int64_t height = images.shape()[1];
  const std::int64_t width = images.shape()[2];
  const std::int64_t side = std::min(height, width);
  AugmentParameters crop;
  crop.top = static_cast<std::int32_t>((height - side) / 2);
  crop.left = static_cast<std::int32_t>((width - side) / 2);
  crop.height = crop.width = static_cast<std::int32_t>(side);
  crop.antialias = true;
  std::copy(mean.begin(), mean.end(), crop.mean);
  std::copy(std.begin(), std.end(), crop.std);
  std::vector<AugmentParameters> crops(static_cast<std::size_t>(images.shape()[0]), crop);
  for (std::size_t i = 0; i < crops.size(); ++i) crops[i].image = static_cast<std::int32_t>(i);
  return augment(images, crops, size, dtype);
}

}  // namespace nagare::ssl
