// Softmax cross-entropy with its denominators: row_log_sum and the loss forward, the gradient backward.
//
// floor  forward: logits read once (soft: twice, and the weights); backward: logits (and weights) read, the gradient written
#include "bench/support/device_bench.h"
#include "kernels/cross_entropy.h"
#include "kernels/log_sum_exp.h"

namespace nagare::bench {
namespace {

template <class T>
struct Logits {
  Logits(benchmark::State& state, Device device)
      : p{.rows = state.range(0), .cols = state.range(1)},
        x(normal_as<T>(device, p.rows * p.cols, 1)),
        target(filled<std::int64_t>(device, p.rows, p.cols / 2)),
        max(device, p.rows),
        log_sum(device, p.rows),
        loss(device, p.rows),
        upstream(filled(device, 1, 1.0F)) {}

  void denominators(Device device, Stream stream) {
    NAGARE_DISPATCH(device, row_log_sum<T>({.rows = p.rows, .cols = p.cols}, x.data(), max.data(),
                                           log_sum.data(), stream));
  }
  kernels::RowLogSum sums() const { return {max.data(), log_sum.data()}; }
  double bytes() const { return static_cast<double>(x.bytes()); }
  double entries() const { return static_cast<double>(p.rows * p.cols); }

  kernels::CrossEntropy p;
  Buffer<T> x;
  Buffer<std::int64_t> target;
  Buffer<float> max, log_sum, loss, upstream;
};

template <class T>
void cross_entropy_forward(benchmark::State& state, Device device) {
  Logits<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    c.denominators(device, stream);
    NAGARE_DISPATCH(device,
                    cross_entropy<T>(c.p, c.x.data(), c.sums(), c.target.data(), c.loss.data(), stream));
  });
  report(state, {.bytes = c.bytes(), .flops = 5.0 * c.entries()});
}

template <class T>
void cross_entropy_backward(benchmark::State& state, Device device) {
  Logits<T> c(state, device);
  Buffer<T> dx(device, c.x.count());
  prepare(device, [&](Stream stream) { c.denominators(device, stream); });
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, cross_entropy_backward<T>(c.p, c.x.data(), c.sums(), c.target.data(),
                                                      c.upstream.data(), dx.data(), stream));
  });
  report(state, {.bytes = 2.0 * c.bytes(), .flops = 5.0 * c.entries()});
}

template <class T>
void soft_cross_entropy_forward(benchmark::State& state, Device device) {
  Logits<T> c(state, device);
  const Buffer<float> q = filled(device, c.x.count(), 1.0F / static_cast<float>(c.p.cols));
  measure(state, device, [&](Stream stream) {
    c.denominators(device, stream);
    NAGARE_DISPATCH(device,
                    soft_cross_entropy<T>(c.p, c.x.data(), c.sums(), q.data(), c.loss.data(), stream));
  });
  report(state, {.bytes = 2.0 * c.bytes() + 4.0 * c.entries(), .flops = 8.0 * c.entries()});
}

template <class T>
void soft_cross_entropy_backward(benchmark::State& state, Device device) {
  Logits<T> c(state, device);
  const Buffer<float> q = filled(device, c.x.count(), 1.0F / static_cast<float>(c.p.cols));
  Buffer<T> dx(device, c.x.count());
  prepare(device, [&](Stream stream) { c.denominators(device, stream); });
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, soft_cross_entropy_backward<T>(c.p, c.x.data(), c.sums(), q.data(),
                                                           c.upstream.data(), dx.data(), stream));
  });
  report(state, {.bytes = 2.0 * c.bytes() + 4.0 * c.entries(), .flops = 6.0 * c.entries()});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"});
  b->Args({128, 10});     // CIFAR-10 labels
  b->Args({512, 1000});   // ImageNet labels
  b->Args({256, 3000});   // SwAV prototypes
  b->Args({256, 65537});  // MoCo: one positive and the queue; rows that are not aligned
}
NAGARE_BENCHMARK(cross_entropy_forward, published_sizes);
NAGARE_BENCHMARK(cross_entropy_backward, published_sizes);
NAGARE_BENCHMARK(soft_cross_entropy_forward, published_sizes);
NAGARE_BENCHMARK(soft_cross_entropy_backward, published_sizes);

}  // namespace
}  // namespace nagare::bench
