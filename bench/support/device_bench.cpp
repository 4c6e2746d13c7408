#include "bench/support/device_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <optional>
#include <string>

#include "bench/support/roofline.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_context.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"

namespace nagare::bench {
namespace {

// Two pools of normal numbers whose lengths are primes: element i is the sum of two of them, so no two rows of a matrix
// are alike before 4 billion elements, at the cost of a copy. Benchmarks are set up again and again.
constexpr std::int64_t kPools[] = {65521, 65519};

std::vector<float> make_pool(std::int64_t count, std::uint32_t sample) {
  Philox random({.seed = 1, .purpose = Purpose::synthetic, .sample = sample});
  std::vector<float> pool(static_cast<std::size_t>(count));
  for (float& v : pool) {
    const double radius = std::sqrt(-std::log(1.0 - random.uniform()));  // deviation sqrt(1/2): two are added
    v = static_cast<float>(radius * std::cos(2.0 * M_PI * random.uniform()));
  }
  return pool;
}

std::vector<float> normal_values(std::int64_t count, std::uint32_t seed) {
  static const std::vector<float> pools[] = {make_pool(kPools[0], 0), make_pool(kPools[1], 1)};
  std::vector<float> values(static_cast<std::size_t>(count));
  constexpr std::int64_t kBlock = 4096;
  for_each_block(count, kBlock, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t at[2] = {(begin + 7919 * std::int64_t{seed}) % kPools[0],
                          (begin + 104729 * std::int64_t{seed}) % kPools[1]};
    for (std::int64_t i = begin; i < end; ++i) {
      values[static_cast<std::size_t>(i)] =
          pools[0][static_cast<std::size_t>(at[0])] + pools[1][static_cast<std::size_t>(at[1])];
      for (int k = 0; k < 2; ++k) at[k] = at[k] + 1 == kPools[k] ? 0 : at[k] + 1;
    }
  });
  return values;
}

std::vector<float> unit_row_values(std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  std::vector<float> values = normal_values(rows * cols, seed);
  parallel_for(rows, [&](std::int64_t r) {
    float* row = values.data() + r * cols;
    double squares = 0.0;
    for (std::int64_t c = 0; c < cols; ++c) squares += static_cast<double>(row[c]) * row[c];
    const auto scale = static_cast<float>(1.0 / std::sqrt(squares));
    for (std::int64_t c = 0; c < cols; ++c) row[c] *= scale;
  });
  return values;
}

Buffer<bf16> rounded(Device device, const std::vector<float>& values) {
  std::vector<bf16> half(values.size());
  std::transform(values.begin(), values.end(), half.begin(), [](float v) { return bf16(v); });
  return copied(device, half);
}

// What the last measure() of this thread found; report() reads it.
struct Measured {
  Device device = Device::cpu;
  double median_seconds = 0.0;
  double noise = 0.0;  // half the interquartile range over the median
  double working_set = 0.0;
};
std::optional<Measured> last_measured;

// The value that a share of the sorted numbers lie below.
double quantile(std::vector<double>& seconds, double share) {
  const auto at =
      seconds.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(seconds.size() - 1));
  std::nth_element(seconds.begin(), at, seconds.end());
  return *at;
}

double time_on_cpu(const std::function<void(Stream)>& body) {
  const auto start = std::chrono::steady_clock::now();
  body(nullptr);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The stream is still busy emptying the L2 when the launches of `body` arrive, so the host's share is hidden.
double time_on_cuda([[maybe_unused]] const std::function<void(Stream)>& body) {
  if constexpr (kBuiltWithCuda) {
    constexpr std::size_t kMoreThanL2 = std::size_t{256} << 20;
    static const std::shared_ptr<void> cold = allocate(Device::cuda, kMoreThanL2);
    static cuda_runtime::Timer timer;
    cuda_runtime::fill_zero(cold.get(), kMoreThanL2);
    timer.start();
    body(cuda_runtime::compute_stream());
    return timer.stop();
  }
  return 0.0;
}

}  // namespace

bool available(Device device) {
  static const bool cuda = choose_device("auto").device == Device::cuda;
  return device == Device::cpu || cuda;
}

Buffer<float> normal(Device device, std::int64_t count, std::uint32_t seed) {
  return copied(device, normal_values(count, seed));
}
Buffer<bf16> normal_bf16(Device device, std::int64_t count, std::uint32_t seed) {
  return rounded(device, normal_values(count, seed));
}
Buffer<float> unit_rows(Device device, std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  return copied(device, unit_row_values(rows, cols, seed));
}
Buffer<bf16> unit_rows_bf16(Device device, std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  return rounded(device, unit_row_values(rows, cols, seed));
}

void prepare(Device device, const std::function<void(Stream)>& body) {
  if (available(device)) body(compute_stream(device));
}

void measure(benchmark::State& state, Device device, const std::function<void(Stream)>& body) {
  last_measured.reset();
  if (!available(device)) {
    state.SkipWithError(kBuiltWithCuda ? "skipped: no GPU" : "skipped: this program was built without CUDA");
    return;
  }
  std::vector<double> seconds;
  seconds.reserve(static_cast<std::size_t>(state.max_iterations));
  try {
    const auto once = device == Device::cpu ? time_on_cpu : time_on_cuda;
    once(body);
    for (auto _ : state) {
      seconds.push_back(once(body));
      state.SetIterationTime(seconds.back());
    }
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
    return;
  }
  if (seconds.empty()) return;
  const double middle = quantile(seconds, 0.5);
  last_measured = {.device = device,
                   .median_seconds = middle,
                   .noise = (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / (2.0 * middle),
                   .working_set = static_cast<double>(memory_use(device).in_use)};
}

void report(benchmark::State& state, const Work& work) {
  if (!last_measured) return;
  const Measured& m = *last_measured;
  state.counters["median_us"] = m.median_seconds * 1e6;
  state.counters["noise_percent"] = 100.0 * m.noise;
  state.counters["buffers_mb"] = m.working_set / 1e6;
  if (work.bytes > 0.0) state.counters["GB/s"] = work.bytes / m.median_seconds / 1e9;
  if (work.flops > 0.0) state.counters["GFLOP/s"] = work.flops / m.median_seconds / 1e9;
  if (!roofline_enabled() || !(work.bytes > 0.0 || work.flops > 0.0)) return;
  const Roofline& best = roofline(m.device);
  const double memory = work.bytes / best.bytes_per_second(m.working_set);
  const double compute = work.flops / (work.bf16 ? best.bf16_flops : best.f32_flops);
  state.counters["roofline_percent"] = 100.0 * std::max(memory, compute) / m.median_seconds;
  state.SetLabel(memory >= compute ? "memory" : "compute");
}

bool register_types(const std::string& name, Function f32, Function bf16, Sizes sizes) {
  for (const Device device : {Device::cpu, Device::cuda}) {
    for (const auto& [type, function] : {std::pair{"/f32/", f32}, std::pair{"/bf16/", bf16}}) {
      benchmark::RegisterBenchmark(
          (name + type + to_string(device)).c_str(),
          [function = function, device](benchmark::State& state) { function(state, device); })
          ->Apply(sizes)
          ->UseManualTime();
    }
  }
  return true;
}

}  // namespace nagare::bench
