// The vote of weighted kNN: 200 neighbours each for 10 classes.
//
// floor  the neighbours' similarities, indices and labels, read once
#include "bench/support/device_bench.h"
#include "kernels/vote.h"

namespace nagare::bench {
namespace {

void vote(benchmark::State& state, Device device) {
  const kernels::Vote p{.queries = state.range(0), .k = state.range(1), .bank = 50000, .classes = 10};
  std::vector<std::int64_t> indices(static_cast<std::size_t>(p.queries * p.k));
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i * 7919 % 50000);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(p.bank));
  for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<std::int64_t>(n % 10);
  Buffer<float> similarity = filled(device, p.queries * p.k, 0.5F);
  Buffer<std::int64_t> index = copied(device, indices);
  Buffer<std::int64_t> label = copied(device, labels);
  Buffer<double> score(device, p.queries * p.classes);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, vote(p, similarity.data(), index.data(), label.data(), score.data(), stream));
  });
  const auto votes = static_cast<double>(p.queries * p.k);
  const auto rows = static_cast<double>(p.bank + p.queries * p.classes);  // a label, a score
  report(state, {.bytes = 12.0 * votes + 8.0 * rows, .flops = 20.0 * votes});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"queries", "k"})->UseManualTime();
  b->Args({10000, 200});
  b->Args({1000, 200});
}

BENCHMARK_CAPTURE(vote, cpu, Device::cpu)->Apply(published_sizes);
BENCHMARK_CAPTURE(vote, cuda, Device::cuda)->Apply(published_sizes);

}  // namespace
}  // namespace nagare::bench
