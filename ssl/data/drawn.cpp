#include "ssl/data/drawn.h"

#include <algorithm>

#include "engine/device/memory.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kFirstTestInstance = 1U << 30;

Split draw_split(const DrawnSet& set, const DrawnPart& whole, std::int64_t part, Device device,
                 const DrawImages& draw) {
  const std::int64_t total = set.classes * whole.per_class;
  Split split;
  split.images = Tensor::empty({total, set.size, set.size, 3}, {.dtype = DType::u8});
  for (std::int64_t begin = 0; begin < total; begin += part) {
    const Tensor target = split.images.rows(begin, std::min(part, total - begin));
    const Tensor images = device == Device::cpu ? target : Tensor::empty(target.shape(), {DType::u8, device});
    DrawnPart here = whole;
    here.begin = begin;
    draw(here, images);
    if (device != Device::cpu) target.copy_from(images);
  }
  for (std::int64_t i = 0; i < total; ++i) split.labels.classes.push_back(i / whole.per_class);
  return split;
}

}  // namespace

DrawnSet read_drawn(const DataSpec& spec) {
  DrawnSet set{};
  set.classes = spec.integer("classes", 10, {1, 10'000});
  set.size = spec.integer("size", 32, {8, 512});
  set.seed = static_cast<std::uint64_t>(spec.integer("seed", 0, {0, INT64_MAX}));
  set.train = spec.integer("per-class", 200, {1, 1'000'000});
  set.test = spec.integer("test-per-class", 50, {0, 1'000'000});
  return set;
}

Dataset draw_dataset(const DrawnSet& set, const std::string& name, std::int64_t part, Device device,
                     const DrawImages& draw) {
  Dataset data;
  data.train = draw_split(set, {.begin = 0, .per_class = set.train, .first_instance = 0}, part, device, draw);
  if (set.test > 0) {
    data.test = draw_split(set, {.begin = 0, .per_class = set.test, .first_instance = kFirstTestInstance},
                           part, device, draw);
  }
  for (std::int64_t c = 0; c < set.classes; ++c) data.class_names.push_back(name + " " + std::to_string(c));
  return data;
}

Tensor upload_descriptions(const void* descriptions, std::size_t bytes, Device device) {
  const Tensor on_device =
      Tensor::empty({static_cast<std::int64_t>(bytes)}, {.dtype = DType::u8, .device = device});
  copy_bytes({on_device.raw(), device}, {const_cast<void*>(descriptions), Device::cpu}, bytes);
  return on_device;
}

void draw_tinted_grey(Philox& random, std::uint32_t darkest, std::uint32_t brightest, std::uint8_t* colour) {
  constexpr std::uint32_t kTint = 24;
  const std::uint32_t grey = darkest + random.below(brightest - darkest - kTint + 1);
  for (int c = 0; c < 3; ++c) colour[c] = static_cast<std::uint8_t>(grey + random.below(kTint + 1));
}

}  // namespace nagare::ssl
