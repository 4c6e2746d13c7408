// Optimiser steps and the EMA over all 62 tensors of a ResNet-18 (11.2 M parameters), and of the EMP-SSL network with its
// projection head.
//
// floor  every pointer's elements read once, what changes written once: EMA 12 bytes per parameter, LARS' norms 8, SGD with
//        momentum 20, LARS 28, AdamW 28
//
// copy_percent (CPU): 100 x the time of memcpy over as many bytes, read plus written, / the time of the step. It is timed
// half before and half after the step. Above 100 the step beats memcpy: it writes where it has read, so no cache line is
// fetched only to be overwritten.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "bench/support/device_bench.h"
#include "kernels/multi_tensor.h"
#include "kernels/parallel.h"

namespace nagare::bench {
namespace {

using namespace kernels;

// Lengths of the tensors of a CIFAR ResNet-18 with a classifier of 10; `head`: projector of 512-4096-4096-1024 instead.
std::vector<std::int64_t> lengths(bool head) {
  std::vector<std::int64_t> list{64 * 27, 64, 64};
  const auto convolution = [&](std::int64_t weights, std::int64_t channels) {
    list.insert(list.end(), {weights, channels, channels});
  };
  for (std::int64_t in = 64, out = 64; out <= 512; in = out, out *= 2) {
    for (int block = 0; block < 2; ++block) {
      const std::int64_t from = block == 0 ? in : out;
      convolution(from * out * 9, out);
      convolution(out * out * 9, out);
      if (from != out) convolution(from * out, out);
    }
  }
  if (head) {
    convolution(512 * 4096, 4096);
    convolution(4096 * 4096, 4096);
    list.push_back(4096 * 1024);
  } else {
    list.insert(list.end(), {512 * 10, 10});
  }
  return list;
}

struct Network {
  Network(Device on, bool head) : device(on), of(lengths(head)) {
    for (const std::int64_t n : of) total += n;
  }
  // One array per tensor, one after the other in a single buffer, each on a border of 64 elements.
  std::vector<float*> arrays(float value) {
    std::int64_t size = 0;
    for (const std::int64_t n : of) size += (n + 63) / 64 * 64;
    buffers.push_back(filled(device, size, value));
    std::vector<float*> list;
    float* next = buffers.back().data();
    for (const std::int64_t n : of) {
      list.push_back(next);
      if (next != nullptr) next += (n + 63) / 64 * 64;
    }
    return list;
  }

  Device device;
  std::vector<std::int64_t> of;
  std::int64_t total = 0;
  std::vector<Buffer<float>> buffers;
};

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

// Seconds that memcpy takes for `bytes`, half of them read and half written, by all threads.
class PlainCopy {
 public:
  explicit PlainCopy(double bytes)
      : n_(static_cast<std::int64_t>(bytes) / 2),
        from_(static_cast<std::size_t>(n_), 1),
        to_(static_cast<std::size_t>(n_), 2) {}

  void time(int calls) {
    for (int i = 0; i < calls; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const std::int64_t part = (n_ + threads() - 1) / threads();
      for_each_block(n_, part, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to_.data() + begin, from_.data() + begin, static_cast<std::size_t>(end - begin));
      });
      seconds_.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  double seconds() const { return median(seconds_); }

 private:
  std::int64_t n_;
  std::vector<char> from_;
  std::vector<char> to_;
  std::vector<double> seconds_;
};

void measure_step(benchmark::State& state, const Network& network, double bytes_per_parameter,
                  double flops_per_parameter, const std::function<void(Stream)>& body) {
  const auto parameters = static_cast<double>(network.total);
  const double bytes = bytes_per_parameter * parameters;
  const bool compare = network.device == Device::cpu;
  PlainCopy copy(compare ? bytes : 0.0);
  constexpr int kCalls = 12;
  if (compare) copy.time(kCalls);
  measure(state, network.device, body);
  if (compare) copy.time(kCalls);
  report(state, {.bytes = bytes, .flops = flops_per_parameter * parameters});
  if (compare && state.counters.contains("median_us")) {
    state.counters["copy_percent"] = 100.0 * copy.seconds() * 1e6 / state.counters["median_us"].value;
  }
}

void multi_tensor_ema_step(benchmark::State& state, Device device) {
  Network network(device, state.range(0) != 0);
  const auto target = network.arrays(0.5F);
  const auto source = network.arrays(0.25F);
  std::vector<PairSegment> segments;
  for (std::size_t i = 0; i < network.of.size(); ++i) {
    segments.push_back({target[i], source[i], network.of[i]});
  }
  measure_step(state, network, 12.0, 3.0, [&](Stream stream) {
    NAGARE_DISPATCH(device, multi_tensor_ema({.keep = 0.99F, .take = 0.01F}, segments, stream));
  });
}

struct SgdCase {
  SgdCase(Device device, bool head, bool trusted)
      : network(device, head), parameter(network.arrays(0.5F)), gradient(network.arrays(0.25F)) {
    const auto momentum = network.arrays(0.125F);
    for (std::size_t i = 0; i < network.of.size(); ++i) {
      step_of.push_back({.parameter = parameter[i],
                         .gradient = gradient[i],
                         .momentum = momentum[i],
                         .n = network.of[i],
                         .weight_decay = 1e-4F,
                         .trusted = trusted});
      sum_of.push_back({parameter[i], gradient[i], nullptr, network.of[i], 1e-4F});
    }
    const auto tensors = static_cast<std::int64_t>(network.of.size());
    sums = std::make_unique<Buffer<float>>(filled(device, 3 * tensors, 1.0F));
    const std::int64_t blocks = count_blocks(std::span<const SumSegment>(sum_of));
    partials = std::make_unique<Buffer<float>>(device, 3 * blocks);
  }
  SgdStep step() const {
    return {.rate = 1e-3F, .momentum = 0.9F, .trust = {.kind = Trust::separate_norms}, .sums = sums->data()};
  }

  Network network;
  std::vector<float*> parameter, gradient;
  std::vector<SgdSegment> step_of;
  std::vector<SumSegment> sum_of;
  std::unique_ptr<Buffer<float>> sums, partials;
};

void multi_tensor_sgd_step(benchmark::State& state, Device device) {
  const SgdCase c(device, state.range(0) != 0, /*trusted=*/false);
  measure_step(state, c.network, 20.0, 7.0, [&](Stream stream) {
    NAGARE_DISPATCH(device, multi_tensor_sgd(c.step(), c.step_of, stream));
  });
}

void multi_tensor_lars_norms(benchmark::State& state, Device device) {
  const SgdCase c(device, state.range(0) != 0, /*trusted=*/true);
  measure_step(state, c.network, 8.0, 9.0, [&](Stream stream) {
    NAGARE_DISPATCH(device, multi_tensor_sums({}, c.sum_of, c.partials->data(), c.sums->data(), stream));
  });
}

void multi_tensor_lars_step(benchmark::State& state, Device device) {
  const SgdCase c(device, state.range(0) != 0, /*trusted=*/true);
  measure_step(state, c.network, 28.0, 16.0, [&](Stream stream) {
    NAGARE_DISPATCH(device, multi_tensor_sums({}, c.sum_of, c.partials->data(), c.sums->data(), stream));
    NAGARE_DISPATCH(device, multi_tensor_sgd(c.step(), c.step_of, stream));
  });
}

void multi_tensor_adamw_step(benchmark::State& state, Device device) {
  Network network(device, state.range(0) != 0);
  const auto parameter = network.arrays(0.5F);
  const auto gradient = network.arrays(0.25F);
  const auto first = network.arrays(0.125F);
  const auto second = network.arrays(0.0625F);
  std::vector<AdamSegment> segments;
  for (std::size_t i = 0; i < network.of.size(); ++i) {
    segments.push_back({parameter[i], gradient[i], first[i], second[i], network.of[i], 0.05F, 0.9F, 0.99F});
  }
  measure_step(state, network, 28.0, 14.0, [&](Stream stream) {
    NAGARE_DISPATCH(device, multi_tensor_adam({.rate = 1e-3F, .decoupled = true}, segments, stream));
  });
}

void networks(benchmark::internal::Benchmark* b) {
  b->ArgName("head")->UseManualTime();
  b->Arg(0);  // ResNet-18, 62 tensors, 11.2 M parameters
  b->Arg(1);  // with EMP-SSL's projector: 34 M
}
#define NAGARE_BOTH(name)                                     \
  BENCHMARK_CAPTURE(name, cpu, Device::cpu)->Apply(networks); \
  BENCHMARK_CAPTURE(name, cuda, Device::cuda)->Apply(networks)
NAGARE_BOTH(multi_tensor_ema_step);
NAGARE_BOTH(multi_tensor_sgd_step);
NAGARE_BOTH(multi_tensor_lars_norms);
NAGARE_BOTH(multi_tensor_lars_step);
NAGARE_BOTH(multi_tensor_adamw_step);
#undef NAGARE_BOTH

}  // namespace
}  // namespace nagare::bench
