// log sum exp of rows, and its gradient.
//
// floor  forward: x read once; backward: x read, dx written
#include "bench/support/device_bench.h"
#include "kernels/log_sum_exp.h"

namespace nagare::bench {
namespace {

template <class T>
void log_sum_exp(benchmark::State& state, Device device, bool is_backward) {
  const kernels::LogSumExp p{.rows = state.range(0), .cols = state.range(1)};
  const Buffer<T> x = normal_as<T>(device, p.rows * p.cols, 1);
  const Buffer<float> dy = normal(device, p.rows, 2);
  Buffer<T> dx(device, p.rows * p.cols);
  Buffer<float> max(device, p.rows);
  Buffer<float> log_sum(device, p.rows);
  const auto forward = [&](Stream stream) {
    NAGARE_DISPATCH(device, row_log_sum<T>(p, x.data(), max.data(), log_sum.data(), stream));
  };
  prepare(device, forward);
  if (is_backward) {
    measure(state, device, [&](Stream stream) {
      NAGARE_DISPATCH(device, log_sum_exp_backward<T>(p, x.data(), max.data(), log_sum.data(), dy.data(),
                                                      dx.data(), stream));
    });
  } else {
    measure(state, device, forward);
  }
  const auto bytes = static_cast<double>(x.bytes());
  report(state, {.bytes = is_backward ? 2.0 * bytes : bytes, .flops = 4.0 * static_cast<double>(x.count())});
}

template <class T>
void log_sum_exp_forward(benchmark::State& state, Device device) {
  log_sum_exp<T>(state, device, false);
}
template <class T>
void log_sum_exp_backward(benchmark::State& state, Device device) {
  log_sum_exp<T>(state, device, true);
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "cols"});
  b->Args({512, 512});    // SimCLR on CIFAR, 2N x 2N
  b->Args({256, 65537});  // MoCo: one positive and the queue; rows that are not aligned
  b->Args({101, 33});     // fits no tile
}
NAGARE_BENCHMARK(log_sum_exp_forward, published_sizes);
NAGARE_BENCHMARK(log_sum_exp_backward, published_sizes);

}  // namespace
}  // namespace nagare::bench
