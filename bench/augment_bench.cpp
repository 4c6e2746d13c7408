// SimCLR's augmentation (crop and resize, flip, jitter, grayscale; blur above CIFAR's size) and EMP-SSL's patches.
//
//   augment        the kernel alone, parameters drawn before
//   augment_views  what a training step does: parameters drawn, uploaded, the kernel (ssl::Augmenter)
//
// floor  every source image read once as bytes, every view written once. The flops are rough: 150 per pixel and view
#include <algorithm>
#include <numeric>

#include "bench/support/device_bench.h"
#include "kernels/augment.h"
#include "kernels/parallel.h"
#include "ssl/augment/augmenter.h"
#include "ssl/augment/draw.h"
#include "ssl/augment/recipes.h"

namespace nagare::bench {
namespace {

constexpr double kFlopsPerPixel = 150.0;

std::vector<std::uint8_t> random_pixels(std::int64_t count) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count));
  Philox random({.seed = 1, .purpose = Purpose::synthetic});
  for (std::uint8_t& v : pixels) v = static_cast<std::uint8_t>(random.below(256));
  return pixels;
}

struct Sizes {
  explicit Sizes(const benchmark::State& state)
      : images(state.range(0)), side(state.range(1)), views(state.range(2)), out(state.range(3)) {}
  std::int64_t images, side, views, out;

  std::int64_t bytes_in() const { return images * side * side * 3; }
  std::int64_t values_out() const { return images * views * out * out * 3; }
  Work work(double bytes_each) const {
    return {.bytes = static_cast<double>(bytes_in()) + bytes_each * static_cast<double>(values_out()),
            .flops = kFlopsPerPixel * static_cast<double>(values_out() / 3)};
  }
};

ssl::ViewRecipe recipe_of(const Sizes& s) {
  return s.views == 2 ? ssl::simclr_recipe(s.out) : ssl::emp_ssl_recipe(s.out);
}

template <class T>
void augment(benchmark::State& state, Device device) {
  const Sizes s(state);
  const kernels::Augment p{
      .images = s.images,
      .height = s.side,
      .width = s.side,
      .crops = s.images * s.views,
      .out_height = s.out,
      .out_width = s.out,
      .slots = std::min<std::int64_t>(s.images * s.views, device == Device::cpu ? 4 * threads() : 1024)};
  std::vector<kernels::AugmentParameters> crops;
  for (std::int64_t i = 0; i < p.crops; ++i) {
    crops.push_back(ssl::draw_parameters(
        recipe_of(s), {s.side, s.side},
        {.seed = 1, .purpose = Purpose::augment, .sample = static_cast<std::uint32_t>(i)}));
    crops.back().image = static_cast<std::int32_t>(i % s.images);
  }
  const Buffer<std::uint8_t> images = copied(device, random_pixels(s.bytes_in()));
  const Buffer<kernels::AugmentParameters> table = copied(device, crops);
  Buffer<std::uint8_t> scratch(device, static_cast<std::int64_t>(p.work_bytes()));
  Buffer<T> out(device, s.values_out());
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, augment(p, images.data(), table.data(), out.data(),
                                    static_cast<void*>(scratch.data()), stream));
  });
  report(state, s.work(sizeof(T)));
}

template <class T>
void augment_views(benchmark::State& state, Device device) {
  const Sizes s(state);
  ssl::Batch batch;
  if (available(device))
    batch.images = Tensor::from(random_pixels(s.bytes_in()), {s.images, s.side, s.side, 3}, device);
  batch.ids.resize(static_cast<std::size_t>(s.images));
  std::iota(batch.ids.begin(), batch.ids.end(), 0);
  const ssl::ViewPlan plan{std::vector(static_cast<std::size_t>(s.views), recipe_of(s))};
  const ssl::Augmenter augmenter(1);
  std::int64_t step = 0;
  measure(state, device, [&](Stream) {
    augmenter.apply(batch, plan, step++, std::is_same_v<T, bf16> ? DType::bf16 : DType::f32);
  });
  report(state, s.work(sizeof(T)));
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "side", "views", "out"});
  b->Args({512, 32, 2, 32});   // SimCLR on CIFAR
  b->Args({100, 32, 20, 32});  // EMP-SSL
  b->Args({16, 400, 2, 224});  // SimCLR on ImageNet: blur too
  b->Args({3, 37, 2, 29});
}
NAGARE_BENCHMARK(augment, sizes);
NAGARE_BENCHMARK(augment_views, sizes);

}  // namespace
}  // namespace nagare::bench
