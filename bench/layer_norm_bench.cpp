// Layer normalisation at the sizes of small ViTs: rows = images x tokens.
//
// floor  forward: x read once, y written once (a row stays in the first cache between its passes). backward: x and dy read,
//        dx written. parameters: x and dy read
#include "bench/support/device_bench.h"
#include "kernels/layer_norm.h"

namespace nagare::bench {
namespace {

template <class T>
struct LayerNormCase {
  LayerNormCase(benchmark::State& state, Device device)
      : p{.rows = state.range(0), .cols = state.range(1)},
        elements(p.rows * p.cols),
        x(normal_as<T>(device, elements, 1)),
        dy(normal_as<T>(device, elements, 2)),
        out(device, elements),
        gamma(filled(device, p.cols, 1.0F)),
        beta(filled(device, p.cols, 0.0F)),
        mean(filled(device, p.rows, 0.0F)),  // of x, nearly
        deviation(filled(device, p.rows, 1.0F)),
        dgamma(device, p.cols),
        dbeta(device, p.cols) {}

  kernels::RowStatistics statistics() { return {mean.data(), deviation.data()}; }

  kernels::LayerNorm p;
  std::int64_t elements;
  Buffer<T> x, dy, out;
  Buffer<float> gamma, beta, mean, deviation, dgamma, dbeta;
};

template <class T>
void layer_norm_forward(benchmark::State& state, Device device) {
  LayerNormCase<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, layer_norm<T>(c.p, c.x.data(), c.gamma.data(), c.beta.data(), c.out.data(),
                                          c.statistics(), stream));
  });
  report(state, {.bytes = 2.0 * sizeof(T) * c.elements, .flops = 8.0 * c.elements});
}

template <class T>
void layer_norm_backward(benchmark::State& state, Device device) {
  LayerNormCase<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, layer_norm_backward<T>(c.p, c.x.data(), c.gamma.data(), c.statistics(),
                                                   c.dy.data(), c.out.data(), stream));
  });
  report(state, {.bytes = 3.0 * sizeof(T) * c.elements, .flops = 12.0 * c.elements});
}

template <class T>
void layer_norm_parameters(benchmark::State& state, Device device) {
  LayerNormCase<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, layer_norm_parameter_gradients<T>(c.p, c.x.data(), c.statistics(), c.dy.data(),
                                                              {c.dgamma.data(), c.dbeta.data()}, stream));
  });
  report(state, {.bytes = 2.0 * sizeof(T) * c.elements, .flops = 5.0 * c.elements});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"});
  b->Args({128 * 65, 192});   // ViT-Ti/4 on 32 pixels, 128 images
  b->Args({128 * 197, 384});  // ViT-S/16 on 224 pixels, 128 images
  b->Args({1009, 97});        // fits no tile
}
NAGARE_BENCHMARK(layer_norm_forward, published_sizes);
NAGARE_BENCHMARK(layer_norm_backward, published_sizes);
NAGARE_BENCHMARK(layer_norm_parameters, published_sizes);

}  // namespace
}  // namespace nagare::bench
