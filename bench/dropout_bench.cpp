// Inverted dropout; forward and backward are the same call.
//
// floor  one array in, one out. A draw costs 10 rounds of Philox for four elements, about 30 integer operations each
#include "bench/support/device_bench.h"
#include "kernels/dropout.h"

namespace nagare::bench {
namespace {

template <class T>
void dropout(benchmark::State& state, Device device) {
  const kernels::Dropout p{
      .n = state.range(0), .drop_probability = 0.1F, .key = {.seed = 1, .purpose = Purpose::dropout}};
  Buffer<T> x = normal_as<T>(device, p.n, 1);
  Buffer<T> y(device, p.n);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, dropout<T>(p, x.data(), y.data(), stream)); });
  report(state, {.bytes = 2.0 * sizeof(T) * p.n, .flops = 32.0 * p.n});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("n");
  b->Arg(128 * 65 * 192);  // tokens of a ViT-Ti/4, 128 CIFAR images
  b->Arg(10007);
}
NAGARE_BENCHMARK(dropout, sizes);

}  // namespace
}  // namespace nagare::bench
