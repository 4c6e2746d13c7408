// Contrastive losses, forward and backward in one, at the sizes of the published recipes.
//
// floor  products: rows x columns x dim multiply-adds for the logits, the same again in the backward, and once more for each
//        gradient; where k is q every pair counts once for the logits (twice the half of it), which the CPU makes use of
//        and CUDA does not
#include "bench/support/device_bench.h"
#include "kernels/contrastive.h"
#include "kernels/l2_normalize.h"

namespace nagare::bench {
namespace {

using kernels::Contrastive;
using kernels::ContrastivePositives;

template <class T>
Buffer<T> units(Device device, std::int64_t rows, std::int64_t dim, std::uint32_t seed) {
  if constexpr (std::is_same_v<T, bf16>) {
    return unit_rows_bf16(device, rows, dim, seed);
  } else {
    return unit_rows(device, rows, dim, seed);
  }
}

// What a loss needs besides its inputs; upstream gradients as a mean has them.
struct Space {
  Buffer<float> loss, stats, scratch, dloss, dq;

  Space(Device device, const Contrastive& p)
      : loss(device, p.rows),
        stats(device, p.stats_floats()),
        scratch(device, p.scratch_floats()),
        dloss(filled(device, p.rows, 1.0F / static_cast<float>(p.rows))),
        dq(device, p.rows * p.dim) {}
};

template <class T>
void both_ways(Device device, const Contrastive& p, const kernels::ContrastiveInputs<T>& in, Space& space,
               float* dk, Stream stream) {
  NAGARE_DISPATCH(device,
                  contrastive(p, in, space.scratch.data(), space.stats.data(), space.loss.data(), stream));
  NAGARE_DISPATCH(device, contrastive_backward(p, in, space.stats.data(), space.dloss.data(),
                                               space.scratch.data(), space.dq.data(), dk, stream));
}

double product_of(const Contrastive& p) {
  return 2.0 * static_cast<double>(p.rows) * static_cast<double>(p.columns) * static_cast<double>(p.dim);
}

// Bytes of the inputs and their gradients, once: what no tiling can avoid.
template <class T>
double traffic_of(const Contrastive& p, bool keys_learn) {
  const auto q = static_cast<double>(p.rows * p.dim);
  const auto k = p.self ? 0.0 : static_cast<double>(p.columns * p.dim);
  return (q + k) * sizeof(T) + (q + (keys_learn ? k : 0.0)) * 4.0;
}

Contrastive two_views(std::int64_t rows, std::int64_t dim) {
  return {.rows = rows,
          .columns = rows,
          .dim = dim,
          .temperature = 0.2F,
          .self = true,
          .row_period = rows / 2,
          .column_period = rows / 2};
}

template <class T>
void ntxent(benchmark::State& state, Device device) {
  const Contrastive p = two_views(state.range(0), state.range(1));
  const Buffer<T> z = units<T>(device, p.rows, p.dim, 1);
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    both_ways<T>(device, p, {z.data(), z.data()}, space, nullptr, stream);
  });
  report(state, {.bytes = 2.0 * traffic_of<T>(p, false), .flops = 2.0 * product_of(p)});
}

// SimCLR's loss from the projections to their gradient: rows normalised, loss, and all the way back.
void ntxent_with_normalize(benchmark::State& state, Device device) {
  const Contrastive p = two_views(state.range(0), state.range(1));
  const kernels::L2Normalize rows{.rows = p.rows, .cols = p.dim};
  const Buffer<float> x = normal(device, p.rows * p.dim, 1);
  Buffer<float> z(device, x.count()), norm(device, p.rows), dx(device, x.count());
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, l2_normalize<float>(rows, x.data(), z.data(), norm.data(), stream));
    both_ways<float>(device, p, {z.data(), z.data()}, space, nullptr, stream);
    NAGARE_DISPATCH(device, l2_normalize_backward<float>(rows, z.data(), norm.data(), space.dq.data(),
                                                         dx.data(), stream));
  });
  report(state, {.bytes = 4.0 * traffic_of<float>(p, false), .flops = 2.0 * product_of(p)});
}

// MoCo: queries against their keys and the queue; the queue does not learn.
template <class T>
void queue_info_nce(benchmark::State& state, Device device) {
  const Contrastive p{.rows = state.range(0),
                      .columns = state.range(1),
                      .dim = state.range(2),
                      .temperature = 0.2F,
                      .own = true};
  const Buffer<T> q = units<T>(device, p.rows, p.dim, 1);
  const Buffer<T> own = units<T>(device, p.rows, p.dim, 2);
  const Buffer<T> queue = units<T>(device, p.columns, p.dim, 3);
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    both_ways<T>(device, p, {q.data(), queue.data(), own.data()}, space, nullptr, stream);
  });
  report(state, {.bytes = 2.0 * traffic_of<T>(p, false), .flops = 3.0 * product_of(p)});
}

// EMP-SSL's contrastive term in the formula's form: means of images against the patches of the others.
template <class T>
void emp_patches(benchmark::State& state, Device device) {
  const std::int64_t batch = state.range(1);
  const Contrastive p{.rows = batch,
                      .columns = state.range(0) * batch,
                      .dim = state.range(2),
                      .temperature = 0.5F,
                      .positives = ContrastivePositives::excluded,
                      .row_period = batch,
                      .column_period = batch};
  const Buffer<T> anchors = units<T>(device, p.rows, p.dim, 1);
  const Buffer<T> patches = units<T>(device, p.columns, p.dim, 2);
  Buffer<float> dk(device, patches.count());
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    both_ways<T>(device, p, {anchors.data(), patches.data()}, space, dk.data(), stream);
  });
  report(state, {.bytes = 2.0 * traffic_of<T>(p, true), .flops = 4.0 * product_of(p)});
}

// The published program's form: patches against the means of all images.
template <class T>
void emp_means(benchmark::State& state, Device device) {
  const std::int64_t batch = state.range(1);
  const Contrastive p{.rows = state.range(0) * batch,
                      .columns = batch,
                      .dim = state.range(2),
                      .temperature = 0.07F,
                      .row_period = batch,
                      .column_period = batch};
  const Buffer<T> patches = units<T>(device, p.rows, p.dim, 1);
  const Buffer<T> means = units<T>(device, p.columns, p.dim, 2);
  Buffer<float> dk(device, means.count());
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    both_ways<T>(device, p, {patches.data(), means.data()}, space, dk.data(), stream);
  });
  report(state, {.bytes = 2.0 * traffic_of<T>(p, true), .flops = 4.0 * product_of(p)});
}

template <class T>
void supcon(benchmark::State& state, Device device) {
  const Contrastive p{.rows = state.range(0),
                      .columns = state.range(0),
                      .dim = state.range(1),
                      .temperature = 0.1F,
                      .self = true,
                      .labelled = true};
  const Buffer<T> z = units<T>(device, p.rows, p.dim, 1);
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < p.rows; ++i) classes.push_back(i * 7 % 10);
  const Buffer<std::int64_t> labels = copied(device, classes);
  Space space(device, p);
  measure(state, device, [&](Stream stream) {
    both_ways<T>(device, p, {z.data(), z.data(), nullptr, labels.data(), labels.data()}, space, nullptr,
                 stream);
  });
  report(state, {.bytes = 2.0 * traffic_of<T>(p, false), .flops = 2.0 * product_of(p)});
}

void square_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "dim"});
  b->Args({512, 128});    // two views of 256
  b->Args({8192, 128});   // the large batch
  b->Args({1024, 2048});  // wide projections
  b->Args({331, 67});     // fits no tile
}
void queue_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "queue", "dim"});
  b->Args({256, 65536, 128});  // ImageNet
  b->Args({256, 4096, 128});   // CIFAR
}
void emp_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"patches", "batch", "dim"});
  b->Args({20, 100, 1024});
}
void supcon_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "dim"});
  b->Args({512, 128});
}
NAGARE_BENCHMARK(ntxent, square_sizes);
BENCHMARK_CAPTURE(ntxent_with_normalize, cpu, Device::cpu)->Apply(square_sizes)->UseManualTime();
BENCHMARK_CAPTURE(ntxent_with_normalize, cuda, Device::cuda)->Apply(square_sizes)->UseManualTime();
NAGARE_BENCHMARK(queue_info_nce, queue_sizes);
NAGARE_BENCHMARK(emp_patches, emp_sizes);
NAGARE_BENCHMARK(emp_means, emp_sizes);
NAGARE_BENCHMARK(supcon, supcon_sizes);

}  // namespace
}  // namespace nagare::bench
