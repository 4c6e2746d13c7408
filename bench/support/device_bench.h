#pragma once
// What a benchmark of a kernel is made of: random buffers on a device, timed calls, and how near they come to what the
// machine can do.
//
//   void row_softmax_forward(benchmark::State& state, Device device) {
//     const kernels::RowSoftmax p{.rows = state.range(0), .cols = state.range(1)};
//     Buffer<float> x = normal(device, p.rows * p.cols, /*seed=*/1);
//     Buffer<float> y(device, p.rows * p.cols);
//     measure(state, device, [&](Stream stream) { NAGARE_DISPATCH(device, row_softmax(p, x.data(), y.data(), stream)); });
//     report(state, {.bytes = 8.0 * p.rows * p.cols, .flops = 5.0 * p.rows * p.cols});
//   }
//   void published_sizes(benchmark::internal::Benchmark* b) {
//     b->ArgNames({"rows", "cols"})->UseManualTime();
//     b->Args({512, 512});    // where the size comes from
//   }
//   BENCHMARK_CAPTURE(row_softmax_forward, cpu, Device::cpu)->Apply(published_sizes);
//   BENCHMARK_CAPTURE(row_softmax_forward, cuda, Device::cuda)->Apply(published_sizes);
//
// or, where it is a template on the element type, NAGARE_BENCHMARK(row_softmax_forward, published_sizes).
//
// absent device   buffers of a device that this program does not have hold nothing; measure() then skips the benchmark
//                 with a message, and report() does nothing. Kernels that prepare data go through prepare()
// time            CPU: wall clock of each call, on buffers that stay where the last call left them in the caches. CUDA:
//                 between two events, launches queued while the L2 is being overwritten, so that the data is cold
// errors          what the body throws skips the benchmark with its text
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/device/memory.h"
#include "kernels/bf16.h"
#include "kernels/device.h"
#include "kernels/dispatch.h"
#include "kernels/stream.h"

namespace nagare::bench {

// Whether this program can compute on the device. The first question about CUDA opens the GPU.
bool available(Device device);

// Uninitialised elements in the memory of a device.
template <class T>
class Buffer {
 public:
  Buffer(Device device, std::int64_t count) : device_(device), count_(count) {
    if (available(device)) block_ = allocate(device, bytes());
  }
  T* data() { return static_cast<T*>(block_.get()); }
  const T* data() const { return static_cast<const T*>(block_.get()); }
  std::int64_t count() const { return count_; }
  std::size_t bytes() const { return static_cast<std::size_t>(count_) * sizeof(T); }

  // Replaces the contents; as many elements as the buffer has.
  void upload(const std::vector<T>& values) {
    if (block_) copy_bytes({block_.get(), device_}, {const_cast<T*>(values.data()), Device::cpu}, bytes());
  }
  std::vector<T> to_host() const {
    std::vector<T> values(static_cast<std::size_t>(count_));
    if (block_) copy_bytes({values.data(), Device::cpu}, {block_.get(), device_}, bytes());
    return values;
  }

 private:
  Device device_;
  std::int64_t count_;
  std::shared_ptr<void> block_;
};

template <class T>
Buffer<T> copied(Device device, const std::vector<T>& values) {
  Buffer<T> buffer(device, static_cast<std::int64_t>(values.size()));
  buffer.upload(values);
  return buffer;
}

template <class T>
Buffer<T> filled(Device device, std::int64_t count, T value) {
  return copied(device, std::vector<T>(static_cast<std::size_t>(count), value));
}

// Standard normal numbers, the same for a seed on every device.
Buffer<float> normal(Device device, std::int64_t count, std::uint32_t seed);
Buffer<bf16> normal_bf16(Device device, std::int64_t count, std::uint32_t seed);
// Either, for benchmarks that are templates.
template <class T>
Buffer<T> normal_as(Device device, std::int64_t count, std::uint32_t seed) {
  if constexpr (std::is_same_v<T, bf16>) {
    return normal_bf16(device, count, seed);
  } else {
    return normal(device, count, seed);
  }
}
// Rows of length 1 in a random direction: what the losses on normalised features get.
Buffer<float> unit_rows(Device device, std::int64_t rows, std::int64_t cols, std::uint32_t seed);
Buffer<bf16> unit_rows_bf16(Device device, std::int64_t rows, std::int64_t cols, std::uint32_t seed);

// One call that is not timed, where the device is there: what a backward pass needs from its forward pass.
void prepare(Device device, const std::function<void(Stream)>& body);

// Times `body` once per iteration, after one call that is not counted. The benchmark must be UseManualTime().
void measure(benchmark::State& state, Device device, const std::function<void(Stream)>& body);

// What one call has to do at the least, counted by hand.
struct Work {
  double bytes = 0.0;  // read and written, every tensor as often as the best known algorithm must touch it
  double flops = 0.0;
  bool bf16 = false;  // the products may run in bf16 with f32 sums
};

// After measure(): adds to the result
//   median_us          of the calls; the other figures are computed from it, because it ignores a foreign load's spikes
//   noise_percent      half the distance between the calls' quartiles, in percent of the median
//   GB/s, GFLOP/s      work / median
//   buffers_mb         memory that the benchmark's buffers hold, scratch included
//   roofline_percent   100 x max(bytes / memory ceiling, flops / product ceiling) / median     (bench/support/roofline.h)
// and the label "memory" or "compute" after the larger term.
void report(benchmark::State& state, const Work& work);

using Function = void (*)(benchmark::State&, Device);
using Sizes = void (*)(benchmark::internal::Benchmark*);
// What NAGARE_BENCHMARK calls. Returns true.
bool register_types(const std::string& name, Function f32, Function bf16, Sizes sizes);

}  // namespace nagare::bench

// For a benchmark that is a template on the element type: registers NAME/f32/cpu, NAME/bf16/cpu, NAME/f32/cuda and
// NAME/bf16/cuda.
#define NAGARE_BENCHMARK(name, sizes)                \
  [[maybe_unused]] const bool name##_is_registered = \
      ::nagare::bench::register_types(#name, name<float>, name<::nagare::bf16>, sizes)
