// SwAV's assignments at its published sizes: 3,000 prototypes, three iterations, scores that are cosines.
//
// floor  Q written once and every iteration's matrix read once: the scores in the first, then E (CPU: kept in Q) or the
//        scores again (CUDA, and the log domain), and once more for Q
#include "bench/support/device_bench.h"
#include "kernels/sinkhorn.h"

namespace nagare::bench {
namespace {

// Products of unit rows, as the prototypes' scores are.
template <class T>
Buffer<T> cosines(Device device, std::int64_t rows, std::int64_t cols) {
  Buffer<T> scores = normal_as<T>(device, rows * cols, 1);
  std::vector<T> values = scores.to_host();
  for (T& v : values) v = T(static_cast<float>(v) / 11.3F);  // sqrt(128): their spread in 128 dimensions
  scores.upload(values);
  return scores;
}

template <class T>
void run_sinkhorn(benchmark::State& state, Device device, kernels::SinkhornDomain domain) {
  const kernels::Sinkhorn p{.rows = state.range(0),
                            .cols = state.range(1),
                            .queue_rows = state.range(2),
                            .iterations = state.range(3),
                            .domain = domain};
  const Buffer<T> scores = cosines<T>(device, p.rows, p.cols);
  const Buffer<T> queue = cosines<T>(device, p.queue_rows, p.cols);
  Buffer<float> q(device, p.rows * p.cols);
  Buffer<float> workspace(device, p.workspace_floats());
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, sinkhorn<T>(p, scores.data(), queue.data(), q.data(), workspace.data(), stream));
  });
  const auto entries = static_cast<double>(p.samples() * p.cols);
  const auto kept = static_cast<double>(p.rows * p.cols);
  const double bytes = entries * static_cast<double>(p.iterations) * sizeof(T) + kept * (sizeof(T) + 4.0);
  report(state, {.bytes = bytes, .flops = entries * 4.0 * static_cast<double>(p.iterations)});
}

template <class T>
void sinkhorn_linear(benchmark::State& state, Device device) {
  run_sinkhorn<T>(state, device, kernels::SinkhornDomain::linear);
}
template <class T>
void sinkhorn_log(benchmark::State& state, Device device) {
  run_sinkhorn<T>(state, device, kernels::SinkhornDomain::log);
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "prototypes", "queue", "iterations"});
  b->Args({256, 3000, 0, 3});     // one process of SwAV's small-batch recipe
  b->Args({256, 3000, 3840, 3});  // the same with its queue
  b->Args({4096, 3000, 0, 3});    // the large batch
  b->Args({67, 131, 5, 3});       // fits no tile
}
NAGARE_BENCHMARK(sinkhorn_linear, published_sizes);
NAGARE_BENCHMARK(sinkhorn_log, published_sizes);

}  // namespace
}  // namespace nagare::bench
