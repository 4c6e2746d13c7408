// Batch normalisation with ReLU, without and with a residual, in training: rows = N H W of an NHWC batch.
//
// floor  the fewest passes over memory (docs/kernels/batch_norm.md), in elements of x: forward 3 (with residual 4),
//        backward 5 (7)
#include "bench/support/device_bench.h"
#include "kernels/batch_norm.h"

namespace nagare::bench {
namespace {

template <class T>
struct BatchNormCase {
  BatchNormCase(benchmark::State& state, Device device)
      : p{.rows = state.range(0), .channels = state.range(1), .training = true, .relu = true},
        with_residual(state.range(2) != 0),
        elements(p.rows * p.channels),
        x(normal_as<T>(device, elements, 1)),
        residual(normal_as<T>(device, with_residual ? elements : 0, 2)),
        y(device, elements),
        dy(normal_as<T>(device, elements, 3)),
        dx(device, elements),
        dresidual(device, with_residual ? elements : 0),
        gamma(filled(device, p.channels, 1.0F)),
        beta(filled(device, p.channels, 0.0F)),
        mean(device, p.channels),
        inv_std(device, p.channels),
        running_mean(filled(device, p.channels, 0.0F)),
        running_var(filled(device, p.channels, 1.0F)),
        dgamma(device, p.channels),
        dbeta(device, p.channels),
        workspace(device, p.workspace_floats()) {}

  void forward(Device device, Stream stream) {
    NAGARE_DISPATCH(device,
                    batch_norm_statistics<T>(
                        p, x.data(), workspace.data(),
                        {mean.data(), inv_std.data(), running_mean.data(), running_var.data()}, stream));
    NAGARE_DISPATCH(device, batch_norm_apply<T>(p, x.data(), with_residual ? residual.data() : nullptr,
                                                columns(), y.data(), stream));
  }

  void backward(Device device, Stream stream) {
    NAGARE_DISPATCH(
        device,
        batch_norm_backward<T>(
            p, {x.data(), with_residual ? y.data() : nullptr, dy.data()}, columns(), workspace.data(),
            {dx.data(), with_residual ? dresidual.data() : nullptr, dgamma.data(), dbeta.data()}, stream));
  }

  kernels::BatchNormColumns columns() { return {mean.data(), inv_std.data(), gamma.data(), beta.data()}; }

  kernels::BatchNorm p;
  bool with_residual;
  std::int64_t elements;
  Buffer<T> x, residual, y, dy, dx, dresidual;
  Buffer<float> gamma, beta, mean, inv_std, running_mean, running_var, dgamma, dbeta, workspace;
};

template <class T>
void batch_norm_forward(benchmark::State& state, Device device) {
  BatchNormCase<T> c(state, device);
  measure(state, device, [&](Stream stream) { c.forward(device, stream); });
  const double passes = c.with_residual ? 4.0 : 3.0;
  report(state, {.bytes = passes * sizeof(T) * c.elements, .flops = 7.0 * c.elements});
}

template <class T>
void batch_norm_backward(benchmark::State& state, Device device) {
  BatchNormCase<T> c(state, device);
  prepare(device, [&](Stream stream) { c.forward(device, stream); });
  measure(state, device, [&](Stream stream) { c.backward(device, stream); });
  const double passes = c.with_residual ? 7.0 : 5.0;
  report(state, {.bytes = passes * sizeof(T) * c.elements, .flops = 12.0 * c.elements});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "channels", "residual"});
  for (const int residual : {0, 1}) {
    b->Args({128 * 32 * 32, 64, residual});  // CIFAR ResNet-18 at batch 128, first stage
    b->Args({128 * 4 * 4, 512, residual});   // last stage
    b->Args({1009, 97, residual});           // fits no tile
  }
}
NAGARE_BENCHMARK(batch_norm_forward, published_sizes);
NAGARE_BENCHMARK(batch_norm_backward, published_sizes);

}  // namespace
}  // namespace nagare::bench
