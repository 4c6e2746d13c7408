// The coding rate of EMP-SSL at its published sizes: n views, b images, d features.
//
// floor  forward: half of a product (m, k, m), m = min(b, d), k = max(b, d), and a factorisation of 2/3 m^3 with the
//        inverse of the factor; z is read once. backward: a product (m, m, k), the inverse; z is read, dz written
#include <algorithm>
#include <type_traits>

#include "bench/support/device_bench.h"
#include "engine/vendor/large_coding_rate.h"
#include "kernels/coding_rate.h"

namespace nagare::bench {
namespace {

using kernels::CodingRate;

template <class T>
struct CodingRateCase {
  CodingRateCase(benchmark::State& state, Device device)
      : p{.batch = state.range(0), .samples = state.range(1), .dim = state.range(2), .alpha = 5.0F},
        elements(p.batch * p.samples * p.dim),
        z(features(device)),
        dz(device, elements),
        factor(device, p.factor_size()),
        scratch(device, std::max(p.forward_scratch(), p.backward_scratch<T>())),
        rate(device, p.batch),
        least(device, p.batch),
        drate(filled(device, p.batch, 1.0F)),
        status(device, p.batch) {}

  Buffer<T> features(Device device) const {
    if constexpr (std::is_same_v<T, bf16>) {
      return unit_rows_bf16(device, p.batch * p.samples, p.dim, 1);
    } else {
      return unit_rows(device, p.batch * p.samples, p.dim, 1);
    }
  }
  // As the op does: what does not fit in shared memory is left to NVIDIA's libraries.
  static bool is_large(const CodingRate& p, Device device) {
    return device == Device::cuda && p.order() > CodingRate::kLargestSharedOrder;
  }
  void forward(Device device, Stream stream) {
    const kernels::CodingRateResult result{rate.data(), least.data(), status.data()};
    if constexpr (kBuiltWithCuda) {
      if (is_large(p, device)) {
        return vendor::cuda::large_coding_rate<T>(p, z.data(), factor.data(), result, stream);
      }
    }
    NAGARE_DISPATCH(device, coding_rate<T>(p, z.data(), factor.data(), result, scratch.data(), stream));
  }
  void backward(Device device, Stream stream) {
    if constexpr (kBuiltWithCuda) {
      if (is_large(p, device)) {
        return vendor::cuda::large_coding_rate_backward<T>(p, z.data(), factor.data(), status.data(),
                                                           drate.data(), dz.data(), stream);
      }
    }
    NAGARE_DISPATCH(device, coding_rate_backward<T>(p, z.data(), factor.data(), status.data(), drate.data(),
                                                    dz.data(), scratch.data(), stream));
  }
  double square() const { return static_cast<double>(p.batch * p.order() * p.order()); }
  double cube() const { return square() * static_cast<double>(p.order()); }

  CodingRate p;
  std::int64_t elements;
  Buffer<T> z;
  Buffer<float> dz, factor, scratch, rate, least, drate;
  Buffer<std::int32_t> status;
};

template <class T>
void coding_rate_forward(benchmark::State& state, Device device) {
  CodingRateCase<T> c(state, device);
  measure(state, device, [&](Stream stream) { c.forward(device, stream); });
  report(state, {.bytes = static_cast<double>(sizeof(T)) * static_cast<double>(c.elements) + 4.0 * c.square(),
                 .flops = c.square() * static_cast<double>(c.p.inner()) + 2.0 / 3.0 * c.cube()});
}

template <class T>
void coding_rate_backward(benchmark::State& state, Device device) {
  CodingRateCase<T> c(state, device);
  prepare(device, [&](Stream stream) { c.forward(device, stream); });
  measure(state, device, [&](Stream stream) { c.backward(device, stream); });
  report(state,
         {.bytes = static_cast<double>(sizeof(T) + 4) * static_cast<double>(c.elements) + 4.0 * c.square(),
          .flops = 2.0 * c.square() * static_cast<double>(c.p.inner()) + 2.0 / 3.0 * c.cube()});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "b", "d"});
  b->Args({20, 100, 1024});   // EMP-SSL, 20 patches
  b->Args({4, 100, 1024});    // few matrices
  b->Args({200, 100, 1024});  // EMP-SSL, 200 patches
  b->Args({20, 1024, 100});   // more images than features
  b->Args({20, 238, 512});    // the largest factor that fits in shared memory
  b->Args({20, 67, 333});     // fits no tile
  b->Args({4, 512, 512});     // several blocks on the CPU; on CUDA NVIDIA's libraries
  b->Args({1, 1024, 2048});
}
NAGARE_BENCHMARK(coding_rate_forward, published_sizes);
NAGARE_BENCHMARK(coding_rate_backward, published_sizes);

}  // namespace
}  // namespace nagare::bench
