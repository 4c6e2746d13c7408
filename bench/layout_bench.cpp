// Moving elements: axes exchanged, blocks copied, rows gathered and added back.
//
// floor  every element read once and written once
#include "bench/support/device_bench.h"
#include "kernels/layout.h"
#include "kernels/philox.h"

namespace nagare::bench {
namespace {

// (images, pixels, channels) to (images, channels, pixels): a batch of matrices transposed.
template <class T>
void transpose(benchmark::State& state, Device device) {
  const std::int64_t images = state.range(0);
  const std::int64_t rows = state.range(1);
  const std::int64_t cols = state.range(2);
  const kernels::Permute p{.rank = 3,
                           .element_bytes = sizeof(T),
                           .sizes = {images, cols, rows},
                           .strides = {rows * cols, 1, cols}};
  Buffer<T> x = normal_as<T>(device, p.numel(), 1);
  Buffer<T> y(device, p.numel());
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, permute(p, x.data(), y.data(), stream)); });
  report(state, {.bytes = 2.0 * sizeof(T) * p.numel()});
}

// (batch, tokens, heads, width) to (batch, heads, tokens, width): rows stay whole.
template <class T>
void split_heads(benchmark::State& state, Device device) {
  const std::int64_t batch = state.range(0);
  const std::int64_t tokens = state.range(1);
  const std::int64_t heads = state.range(2) / 64;
  const kernels::Permute p{.rank = 4,
                           .element_bytes = sizeof(T),
                           .sizes = {batch, heads, tokens, 64},
                           .strides = {tokens * heads * 64, 64, heads * 64, 1}};
  Buffer<T> x = normal_as<T>(device, p.numel(), 1);
  Buffer<T> y(device, p.numel());
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, permute(p, x.data(), y.data(), stream)); });
  report(state, {.bytes = 2.0 * sizeof(T) * p.numel()});
}

std::vector<std::int64_t> random_rows(std::int64_t count, std::int64_t limit) {
  Philox random({.seed = 1, .purpose = Purpose::synthetic});
  std::vector<std::int64_t> index(static_cast<std::size_t>(count));
  for (std::int64_t& i : index) i = random.below(static_cast<std::uint32_t>(limit));
  return index;
}

template <class T>
void gather_rows(benchmark::State& state, Device device) {
  const kernels::GatherRows p{.rows = state.range(0), .cols = state.range(1), .source_rows = state.range(2)};
  Buffer<T> x = normal_as<T>(device, p.source_rows * p.cols, 1);
  Buffer<T> y(device, p.rows * p.cols);
  const Buffer<std::int64_t> index = copied(device, random_rows(p.rows, p.source_rows));
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, gather_rows(p, sizeof(T), x.data(), index.data(), y.data(), stream));
  });
  report(state, {.bytes = 2.0 * sizeof(T) * p.rows * p.cols + 8.0 * p.rows});
}

template <class T>
void scatter_add_rows(benchmark::State& state, Device device) {
  const kernels::GatherRows p{.rows = state.range(0), .cols = state.range(1), .source_rows = state.range(2)};
  Buffer<T> y = normal_as<T>(device, p.rows * p.cols, 1);
  Buffer<T> x(device, p.source_rows * p.cols);
  const Buffer<std::int64_t> index = copied(device, random_rows(p.rows, p.source_rows));
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, scatter_add_rows<T>(p, y.data(), index.data(), x.data(), stream));
  });
  report(state, {.bytes = 1.0 * sizeof(T) * (p.rows + p.source_rows) * p.cols + 8.0 * p.rows});
}

void matrices(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "rows", "cols"});
  b->Args({128, 1024, 64});  // NHWC to NCHW, ResNet-18's first stage
  b->Args({1, 2048, 512});   // one weight matrix
  b->Args({3, 127, 61});
}
void attention(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "tokens", "width"});
  b->Args({128, 65, 192});   // ViT-Ti/4 on CIFAR
  b->Args({128, 197, 384});  // ViT-S/16
}
void buffers(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols", "source"});
  b->Args({256, 512, 2000});     // replay from a buffer
  b->Args({10000, 512, 50000});  // queries of an evaluation
  b->Args({101, 33, 57});
}
NAGARE_BENCHMARK(transpose, matrices);
NAGARE_BENCHMARK(split_heads, attention);
NAGARE_BENCHMARK(gather_rows, buffers);
NAGARE_BENCHMARK(scatter_add_rows, buffers);

}  // namespace
}  // namespace nagare::bench
