// Softmax and log-softmax of rows.
//
// floor  forward: x read, y written; backward: y and dy read, dx written
#include "bench/support/device_bench.h"
#include "kernels/row_softmax.h"

namespace nagare::bench {
namespace {

struct Rows {
  Rows(benchmark::State& state, Device device)
      : p{.rows = state.range(0), .cols = state.range(1), .temperature = 0.1F},
        x(normal(device, p.rows * p.cols, 1)),
        dy(normal(device, p.rows * p.cols, 2)),
        out(device, p.rows * p.cols) {}

  void finish(benchmark::State& state, double tensors, double flops) const {
    const auto entries = static_cast<double>(p.rows * p.cols);
    report(state, {.bytes = 4.0 * tensors * entries, .flops = flops * entries});
  }

  kernels::RowSoftmax p;
  Buffer<float> x, dy, out;
};

void softmax_forward(benchmark::State& state, Device device) {
  Rows c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, row_softmax(c.p, c.x.data(), c.out.data(), stream));
  });
  c.finish(state, 2.0, 5.0);
}

void softmax_backward(benchmark::State& state, Device device) {
  Rows c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, row_softmax_backward(c.p, c.x.data(), c.dy.data(), c.out.data(), stream));
  });
  c.finish(state, 3.0, 5.0);
}

void log_softmax_forward(benchmark::State& state, Device device) {
  Rows c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, row_log_softmax(c.p, c.x.data(), c.out.data(), stream));
  });
  c.finish(state, 2.0, 5.0);
}

void log_softmax_backward(benchmark::State& state, Device device) {
  Rows c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, row_log_softmax_backward(c.p, c.x.data(), c.dy.data(), c.out.data(), stream));
  });
  c.finish(state, 3.0, 5.0);
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"})->UseManualTime();
  b->Args({512, 512});    // SimCLR on CIFAR, 2N x 2N
  b->Args({256, 3000});   // SwAV prototypes
  b->Args({128, 65536});  // DINO head
  b->Args({101, 33});     // fits no tile
}
#define NAGARE_BOTH(name)                                            \
  BENCHMARK_CAPTURE(name, cpu, Device::cpu)->Apply(published_sizes); \
  BENCHMARK_CAPTURE(name, cuda, Device::cuda)->Apply(published_sizes)
NAGARE_BOTH(softmax_forward);
NAGARE_BOTH(softmax_backward);
NAGARE_BOTH(log_softmax_forward);
NAGARE_BOTH(log_softmax_backward);
#undef NAGARE_BOTH

}  // namespace
}  // namespace nagare::bench
