#include "ssl/streams/motion.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>
#include <string>

#include "kernels/augment_steps.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "ssl/streams/shuffle.h"

namespace nagare::ssl {
namespace {

constexpr double kCameraZoom =
    1.15;  // what the camera sees fits into the image at every place and angle but corners
constexpr float kCameraReach = 0.07F;  // of a side
constexpr float kCameraTurn = 5.0F;    // degrees

double along(float from, float to, double part) { return from + (static_cast<double>(to) - from) * part; }

void add_frame(const Motion& motion, std::int64_t id, Pose& pose) {
  Philox random({.seed = motion.seed,
                 .purpose = Purpose::stream_order,
                 .sample = static_cast<std::uint32_t>(image_of(id, motion.images)),
                 .view = kRunView});
  const double part = static_cast<double>(id / motion.images) /
                      static_cast<double>(std::max<std::int64_t>(motion.runs - 1, 1));
  const auto path = [&](float reach) {
    const float from = random.uniform(-reach, reach);
    const float to = random.uniform(-reach, reach);
    return along(from, to, part);
  };
  pose.zoom *= kCameraZoom;
  pose.right = path(kCameraReach);
  pose.down = path(kCameraReach);
  pose.angle += path(kCameraTurn);
}

// Index of a pixel, mirrored into [0, n) as often as it takes, the edge not repeated.
std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  if (n == 1) return 0;
  const std::int64_t period = 2 * (n - 1);
  const std::int64_t within = ((i % period) + period) % period;
  return within < n ? within : period - within;
}

struct Frame {
  std::span<const std::uint8_t> pixels;
  std::int64_t height;
  std::int64_t width;

  // A channel at a place between pixel centres.
  float at(double y, double x, int channel) const {
    const auto top = static_cast<std::int64_t>(std::floor(y));
    const auto left = static_cast<std::int64_t>(std::floor(x));
    const auto below = static_cast<float>(y - static_cast<double>(top));
    const auto beside = static_cast<float>(x - static_cast<double>(left));
    const auto value = [&](std::int64_t row, std::int64_t column) {
      const std::int64_t index = (mirrored(row, height) * width + mirrored(column, width)) * 3 + channel;
      return static_cast<float>(pixels[static_cast<std::size_t>(index)]);
    };
    const float upper = value(top, left) * (1.0F - beside) + value(top, left + 1) * beside;
    const float lower = value(top + 1, left) * (1.0F - beside) + value(top + 1, left + 1) * beside;
    return upper * (1.0F - below) + lower * below;
  }
};

std::uint8_t rounded(float value) {
  return static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5F), 0.0F, 255.0F));
}

}  // namespace

Pose pose_of(const Motion& motion, std::int64_t position, std::int64_t id) {
  const double t =
      motion.length > 1 ? static_cast<double>(position) / static_cast<double>(motion.length - 1) : 0.0;
  Pose pose{.angle = motion.rotate * t, .zoom = std::pow(motion.zoom, t), .hue = motion.hue * t};
  if (motion.runs > 1) add_frame(motion, id, pose);
  return pose;
}

void move_image(std::span<const std::uint8_t> in, std::int64_t height, std::int64_t width, const Pose& pose,
                std::span<std::uint8_t> out) {
  if (pose == Pose{}) {
    std::memcpy(out.data(), in.data(), in.size());
    return;
  }
  const Frame frame{.pixels = in, .height = height, .width = width};
  const double radians = pose.angle * std::numbers::pi / 180.0;
  const double cosine = std::cos(radians) / pose.zoom;
  const double sine = std::sin(radians) / pose.zoom;
  const double middle_y = static_cast<double>(height - 1) / 2.0;
  const double middle_x = static_cast<double>(width - 1) / 2.0;
  const double down = middle_y + pose.down * static_cast<double>(height);
  const double right = middle_x + pose.right * static_cast<double>(width);
  const auto hue = static_cast<float>(pose.hue - std::round(pose.hue));
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      const double y = static_cast<double>(row) - middle_y;
      const double x = static_cast<double>(column) - middle_x;
      const double from_y = down + sine * x + cosine * y;
      const double from_x = right + cosine * x - sine * y;
      kernels::Rgb colour{frame.at(from_y, from_x, 0) / 255.0F, frame.at(from_y, from_x, 1) / 255.0F,
                          frame.at(from_y, from_x, 2) / 255.0F};
      if (hue != 0.0F) colour = kernels::shift_hue(colour, hue);
      std::uint8_t* pixel = &out[static_cast<std::size_t>((row * width + column) * 3)];
      pixel[0] = rounded(colour.r * 255.0F);
      pixel[1] = rounded(colour.g * 255.0F);
      pixel[2] = rounded(colour.b * 255.0F);
    }
  }
}

Tensor arriving_images(const Tensor& images, std::span<const std::int64_t> ids,
                       std::span<const std::int64_t> positions, const Motion& motion) {
  const Shape& shape = images.shape();
  if (shape.rank() != 4 || shape[0] != motion.images || images.dtype() != DType::u8) {
    throw std::invalid_argument("arriving_images: " + to_string(shape) + " " + to_string(images.dtype()) +
                                ", need the stream's " + std::to_string(motion.images) +
                                " images, (N, H, W, 3) u8");
  }
  if (ids.size() != positions.size()) {
    throw std::invalid_argument("arriving_images: " + std::to_string(ids.size()) + " ids and " +
                                std::to_string(positions.size()) + " positions, need one each");
  }
  for (const std::int64_t id : ids) {
    if (id < 0) throw std::invalid_argument("arriving_images: id " + std::to_string(id) + ", need 0 or more");
  }
  const auto count = static_cast<std::int64_t>(ids.size());
  const Tensor out = Tensor::empty({count, shape[1], shape[2], shape[3]}, {.dtype = DType::u8});
  const auto bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
  parallel_for(count, [&](std::int64_t i) {
    const std::int64_t id = ids[static_cast<std::size_t>(i)];
    const auto from = static_cast<std::size_t>(image_of(id, motion.images)) * bytes;
    move_image({images.data<std::uint8_t>() + from, bytes}, shape[1], shape[2],
               pose_of(motion, positions[static_cast<std::size_t>(i)], id),
               {out.data<std::uint8_t>() + static_cast<std::size_t>(i) * bytes, bytes});
  });
  return out;
}

}  // namespace nagare::ssl
