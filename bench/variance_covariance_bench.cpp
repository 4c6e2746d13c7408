// VICReg's terms of two views: the loss alone, and the loss with both gradients.
//
// floor  the products of the smaller form (see kernels/variance_covariance.h), of the symmetric ones the half: with
//        m = min(N, D), N D m multiply-adds for both views' loss and 2 N D m more for the gradients; x and y read once,
//        the gradients written once
#include "bench/support/device_bench.h"
#include "kernels/variance_covariance.h"

namespace nagare::bench {
namespace {

template <class T>
void variance_covariance(benchmark::State& state, Device device) {
  const kernels::VarianceCovariance p{.rows = state.range(0), .cols = state.range(1)};
  const bool gradients = state.range(2) != 0;
  const std::int64_t count = p.rows * p.cols;
  Buffer<T> x = normal_as<T>(device, count, 1);
  Buffer<T> y = normal_as<T>(device, count, 2);
  Buffer<T> dx(device, count);
  Buffer<T> dy(device, count);
  Buffer<float> scratch(device, p.scratch_floats());
  Buffer<float> terms(device, 4);
  const kernels::VarianceCovarianceOutputs<T> out{
      .terms = terms.data(), .dx = gradients ? dx.data() : nullptr, .dy = gradients ? dy.data() : nullptr};
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, variance_covariance<T>(p, x.data(), y.data(), scratch.data(), out, stream));
  });
  const double product = static_cast<double>(count) * static_cast<double>(std::min(p.rows, p.cols));
  report(state, {.bytes = (gradients ? 4.0 : 2.0) * sizeof(T) * static_cast<double>(count),
                 .flops = 2.0 * (gradients ? 3.0 : 1.0) * product});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols", "gradients"});
  for (const std::int64_t gradients : {0, 1}) {
    b->Args({256, 2048, gradients});  // CIFAR
    b->Args({256, 8192, gradients});  // the published head
    b->Args({512, 512, gradients});
    b->Args({512, 2048, gradients});
    b->Args({127, 97, gradients});  // fits no tile
  }
}
NAGARE_BENCHMARK(variance_covariance, published_sizes);

}  // namespace
}  // namespace nagare::bench
