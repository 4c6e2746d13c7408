// The minimum-redundancy buffer: `arriving` entries come with new features, and as many are dropped.
//
// floor  update: 2 x arriving x slots x dim operations, the features read once. evict: one number per slot read for every
//        entry that goes
#include <numeric>

#include "bench/support/device_bench.h"
#include "kernels/redundancy.h"

namespace nagare::bench {
namespace {

// A full buffer with its lists.
template <class T>
struct RedundancyCase {
  RedundancyCase(benchmark::State& state, Device device)
      : p{.slots = state.range(0), .dim = state.range(1)},
        arriving(state.range(2)),
        feature(rows(device)),
        ages(static_cast<std::size_t>(p.slots)),
        age(device, p.slots),
        changed(device, p.slots),
        victim(device, arriving),
        similarity(device, p.slots * kernels::kPartners),
        floor(device, p.slots),
        norm(device, p.slots),
        partner(device, p.slots * kernels::kPartners),
        scratch(device, p.scratch_bytes(device)) {
    std::iota(ages.begin(), ages.end(), 0);
    age.upload(ages);
    changed.upload(ages);
    prepare(device, [&](Stream stream) {
      NAGARE_DISPATCH(device, redundancy_clear(p, lists(), stream));
      NAGARE_DISPATCH(device, redundancy_update<T>(p, feature.data(), age.data(), changed.data(), p.slots,
                                                   lists(), scratch.data(), stream));
    });
  }

  Buffer<T> rows(Device device) {
    if constexpr (std::is_same_v<T, bf16>) {
      return unit_rows_bf16(device, p.slots, p.dim, 1);
    } else {
      return unit_rows(device, p.slots, p.dim, 1);
    }
  }
  kernels::RedundancyLists lists() { return {similarity.data(), partner.data(), floor.data(), norm.data()}; }

  kernels::Redundancy p;
  std::int64_t arriving;
  Buffer<T> feature;
  std::vector<std::int64_t> ages;
  Buffer<std::int64_t> age, changed, victim;
  Buffer<float> similarity, floor, norm;
  Buffer<std::int32_t> partner;
  Buffer<char> scratch;
};

template <class T>
void redundancy_update(benchmark::State& state, Device device) {
  RedundancyCase<T> c(state, device);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, redundancy_update<T>(c.p, c.feature.data(), c.age.data(), c.changed.data(),
                                                 c.arriving, c.lists(), c.scratch.data(), stream));
  });
  const auto elements = static_cast<double>(c.p.slots * c.p.dim);
  report(state, {.bytes = sizeof(T) * elements,
                 .flops = 2.0 * static_cast<double>(c.arriving) * elements,
                 .bf16 = std::is_same_v<T, bf16>});
}

// What one arriving batch costs: the entries that the last call dropped arrive again, with the features that they had, and
// are dropped again. So every call does the same.
template <class T>
void redundancy_step(benchmark::State& state, Device device) {
  RedundancyCase<T> c(state, device);
  const auto evict = [&](Stream stream) {
    NAGARE_DISPATCH(device, redundancy_evict<T>(c.p, c.feature.data(), c.age.data(), c.arriving, c.lists(),
                                                c.victim.data(), c.scratch.data(), stream));
  };
  prepare(device, evict);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, redundancy_update<T>(c.p, c.feature.data(), c.age.data(), c.victim.data(),
                                                 c.arriving, c.lists(), c.scratch.data(), stream));
    evict(stream);
  });
  const auto elements = static_cast<double>(c.p.slots * c.p.dim);
  const auto arriving = static_cast<double>(c.arriving);
  report(state, {.bytes = sizeof(T) * elements + 4.0 * arriving * static_cast<double>(c.p.slots),
                 .flops = 2.0 * arriving * elements,
                 .bf16 = std::is_same_v<T, bf16>});
}

void published_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"slots", "dim", "arriving"})->UseManualTime();
  b->Args({2256, 512, 256});  // 2000 entries and an arriving batch
  b->Args({65536, 512, 256});
  b->Args({1009, 131, 37});  // fits no tile
}
NAGARE_BENCHMARK(redundancy_step, published_sizes);
NAGARE_BENCHMARK(redundancy_update, published_sizes);

}  // namespace
}  // namespace nagare::bench
