// Weighted kNN: the 200 nearest of 50,000 rows of 512.
//
// floor  2 x queries x bank x dim operations; queries and bank read once. The select is not counted.
#include "bench/support/device_bench.h"
#include "kernels/nearest.h"

namespace nagare::bench {
namespace {

template <class T>
Buffer<T> rows(Device device, std::int64_t count, std::int64_t dim, std::uint32_t seed) {
  if constexpr (std::is_same_v<T, bf16>) {
    return unit_rows_bf16(device, count, dim, seed);
  } else {
    return unit_rows(device, count, dim, seed);
  }
}

template <class T>
void search(benchmark::State& state, Device device, bool through_bf16) {
  const kernels::Nearest p{.queries = state.range(0),
                           .bank = state.range(1),
                           .dim = state.range(2),
                           .k = state.range(3),
                           .through_bf16 = through_bf16};
  Buffer<T> query = rows<T>(device, p.queries, p.dim, 1);
  Buffer<T> bank = rows<T>(device, p.bank, p.dim, 2);
  Buffer<float> similarity(device, p.queries * p.k);
  Buffer<std::int64_t> index(device, p.queries * p.k);
  Buffer<char> scratch(device, p.scratch_bytes(device));
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, nearest<T>(p, query.data(), bank.data(), nullptr, scratch.data(),
                                       similarity.data(), index.data(), stream));
  });
  const auto of = [](std::int64_t n) { return static_cast<double>(n); };
  report(state, {.bytes = of(p.queries + p.bank) * of(p.dim) * sizeof(T) + of(p.queries * p.k) * 12.0,
                 .flops = 2.0 * of(p.queries) * of(p.bank) * of(p.dim),
                 .bf16 = through_bf16 || std::is_same_v<T, bf16>});
}

template <class T>
void nearest(benchmark::State& state, Device device) {
  search<T>(state, device, false);
}
void nearest_through_bf16(benchmark::State& state, Device device) { search<float>(state, device, true); }

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"queries", "bank", "dim", "k"})->UseManualTime();
  b->Args({10000, 50000, 512, 200});  // CIFAR's test images against its training images, ResNet-18
  b->Args({1000, 50000, 512, 200});   // a look during training
  b->Args({503, 5003, 131, 20});      // fits no tile
}

NAGARE_BENCHMARK(nearest, published_sizes);
BENCHMARK_CAPTURE(nearest_through_bf16, cpu, Device::cpu)->Apply(published_sizes);
BENCHMARK_CAPTURE(nearest_through_bf16, cuda, Device::cuda)->Apply(published_sizes);

}  // namespace
}  // namespace nagare::bench
