// Cosines of row pairs and of patches with their mean: the loss alone, and the loss with its gradients.
//
// floor  every operand read once, every gradient written once (rows and images stay in a cache between their passes)
#include "bench/support/device_bench.h"
#include "kernels/cosine.h"

namespace nagare::bench {
namespace {

// gradients: 0 the loss alone, 1 that of the prediction (SimSiam, BYOL), 2 of both.
template <class T>
void cosine(benchmark::State& state, Device device) {
  const kernels::Cosine p{.rows = state.range(0), .cols = state.range(1)};
  const std::int64_t gradients = state.range(2);
  const std::int64_t count = p.rows * p.cols;
  Buffer<T> a = normal_as<T>(device, count, 1);
  Buffer<T> b = normal_as<T>(device, count, 2);
  Buffer<T> da(device, count);
  Buffer<T> db(device, count);
  Buffer<float> cosines(device, p.rows);
  Buffer<float> loss(device, 1);
  const kernels::CosineOutputs<T> out{.cosines = cosines.data(),
                                      .loss = loss.data(),
                                      .da = gradients > 0 ? da.data() : nullptr,
                                      .db = gradients > 1 ? db.data() : nullptr};
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, cosine<T>(p, a.data(), b.data(), out, stream)); });
  const double elements = static_cast<double>(count);
  const double outputs = static_cast<double>(gradients);
  report(state, {.bytes = (2.0 + outputs) * sizeof(T) * elements, .flops = (6.0 + 4.0 * outputs) * elements});
}

template <class T>
void patch_cosine(benchmark::State& state, Device device) {
  const kernels::PatchCosine p{.patches = state.range(0), .batch = state.range(1), .dim = state.range(2)};
  const bool gradient = state.range(3) != 0;
  const std::int64_t count = p.patches * p.batch * p.dim;
  Buffer<T> z = normal_as<T>(device, count, 1);
  Buffer<T> dz(device, count);
  Buffer<float> scratch(device, p.scratch_floats());
  Buffer<float> cosines(device, p.patches * p.batch);
  Buffer<float> loss(device, 1);
  const kernels::PatchCosineOutputs<T> out{
      .cosines = cosines.data(), .loss = loss.data(), .dz = gradient ? dz.data() : nullptr};
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, patch_cosine<T>(p, z.data(), scratch.data(), out, stream));
  });
  const double elements = static_cast<double>(count);
  report(state, {.bytes = (gradient ? 2.0 : 1.0) * sizeof(T) * elements,
                 .flops = (gradient ? 13.0 : 7.0) * elements});
}

void pair_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols", "gradients"});
  for (const std::int64_t gradients : {0, 1, 2}) {
    b->Args({256, 2048, gradients});  // SimSiam
    b->Args({4096, 256, gradients});  // BYOL
    b->Args({1009, 97, gradients});   // fits no vector
  }
}
void patch_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"patches", "batch", "dim", "gradient"});
  for (const std::int64_t gradient : {0, 1}) {
    b->Args({20, 100, 1024, gradient});  // EMP-SSL
    b->Args({7, 13, 97, gradient});      // fits no vector
  }
}
NAGARE_BENCHMARK(cosine, pair_sizes);
NAGARE_BENCHMARK(patch_cosine, patch_sizes);

}  // namespace
}  // namespace nagare::bench
