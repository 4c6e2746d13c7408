#include "bench/support/roofline.h"

#include <immintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "bench/support/device_bench.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/device_context.h"
#include "engine/device/errors.h"
#include "engine/vendor/matrix_product.h"
#include "kernels/elementwise.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::bench {
namespace {

// The fastest of at least `least` calls and `seconds`: a ceiling is what the machine can do, not what it did on average.
double fastest(int least, double seconds, const std::function<double()>& timed_call) {
  double best = timed_call();
  double spent = best;
  for (int i = 1; i < least || spent < seconds; ++i) {
    const double taken = timed_call();
    best = std::min(best, taken);
    spent += taken;
  }
  return best;
}

double wall_clock(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Each works on [begin, end) of the arrays; `bytes` of the arrays are touched per element of a.
struct Walk {
  int arrays;
  void (*run)(float* a, const float* b, const float* c, std::int64_t n);
};

void copy_by_library(float* a, const float* b, const float*, std::int64_t n) {
  std::memcpy(a, b, static_cast<std::size_t>(n) * sizeof(float));
}

NAGARE_SIMD void copy_by_vectors(float* a, const float* b, const float*, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = b[i];
}

NAGARE_SIMD void triad(float* a, const float* b, const float* c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) a[i] = b[i] + 3.0F * c[i];
}

#if defined(__x86_64__)
void copy_past_the_cache(float* a, const float* b, const float*, std::int64_t n) {
  for (std::int64_t i = 0; i + 4 <= n; i += 4) _mm_stream_ps(a + i, _mm_loadu_ps(b + i));
  _mm_sfence();
}
constexpr Walk kWalks[] = {{2, copy_by_library}, {2, copy_by_vectors}, {3, triad}, {2, copy_past_the_cache}};
#else
constexpr Walk kWalks[] = {{2, copy_by_library}, {2, copy_by_vectors}, {3, triad}};
#endif

double cpu_bytes_per_second(float* memory, std::int64_t working_set) {
  constexpr std::int64_t kAlign = 64;  // elements
  // Above the caches of one core all threads are faster. They get more time: on a busy machine the threads of a short
  // burst share a core at first.
  const bool small = working_set <= std::int64_t{1} << 20;
  const std::vector<int> workers_tried = small ? std::vector{1, threads()} : std::vector{threads()};
  double best = 0.0;
  for (const Walk& walk : kWalks) {
    const std::int64_t n = working_set / walk.arrays / std::int64_t{sizeof(float)} / kAlign * kAlign;
    for (const int workers : workers_tried) {
      const std::int64_t part = (n / workers + kAlign - 1) / kAlign * kAlign;
      const double seconds = fastest(3, small ? 0.01 : 0.06, [&] {
        return wall_clock([&] {
          for_each_block(n, part, [&](std::int64_t begin, std::int64_t end) {
            walk.run(memory + begin, memory + n + begin, memory + (walk.arrays - 1) * n + begin, end - begin);
          });
        });
      });
      best = std::max(best, static_cast<double>(n) * walk.arrays * sizeof(float) / seconds);
    }
  }
  return best;
}

// On huge pages, as engine/device/memory.h gives to the kernels' buffers: with small ones a copy is a third slower. Not
// from there, because it keeps what is freed.
float* large_array(std::int64_t bytes) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  void* block = std::aligned_alloc(kHugePage, static_cast<std::size_t>(bytes));
  if (block == nullptr)
    throw OutOfMemory("roofline: no " + std::to_string(bytes >> 20) + " MiB for the copy benchmark");
  madvise(block, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);
  std::memset(block, 0, static_cast<std::size_t>(bytes));
  return static_cast<float*>(block);
}

double cuda_bytes_per_second() {
  constexpr std::int64_t kElements = std::int64_t{1} << 28;
  Buffer<float> from(Device::cuda, kElements);
  Buffer<float> to(Device::cuda, kElements);
  double seconds = INFINITY;
  if constexpr (kBuiltWithCuda) {
    cuda_runtime::fill_zero(from.data(), from.bytes());
    cuda_runtime::Timer timer;
    const auto timed = [&](const std::function<void()>& body) {
      return fastest(10, 0.05, [&] {
        timer.start();
        body();
        return timer.stop();
      });
    };
    const double by_library = timed([&] { cuda_runtime::copy(to.data(), from.data(), from.bytes(), false); });
    const double by_kernel = timed([&] {
      kernels::cuda::affine<float>({.n = kElements}, from.data(), to.data(), compute_stream(Device::cuda));
    });
    seconds = std::min(by_library, by_kernel);
  }
  return 2.0 * static_cast<double>(from.bytes()) / seconds;
}

template <class T>
double product_flops(Device device, std::int64_t order) {
  const Buffer<T> a = normal_as<T>(device, order * order, 1);
  const Buffer<T> b = normal_as<T>(device, order * order, 2);
  Buffer<float> c(device, order * order);
  const vendor::MatrixProduct p{.rows = order, .cols = order, .inner = order, .transpose_b = true};
  const auto product = [&] {
    if (device == Device::cpu) {
      vendor::cpu::matrix_product<T, float>(p, a.data(), b.data(), nullptr, c.data(), nullptr);
    } else if constexpr (kBuiltWithCuda) {
      vendor::cuda::matrix_product<T, float>(p, a.data(), b.data(), nullptr, c.data(),
                                             compute_stream(device));
    }
  };
  product();
  const double seconds = fastest(5, 0.1, [&]() -> double {
    if (device == Device::cpu) return wall_clock(product);
    if constexpr (kBuiltWithCuda) {
      cuda_runtime::Timer timer;
      timer.start();
      product();
      return timer.stop();
    }
    return INFINITY;
  });
  return 2.0 * std::pow(static_cast<double>(order), 3) / seconds;
}

Roofline measured(Device device) {
  Roofline found;
  if (device == Device::cpu) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 30;
    const std::unique_ptr<float, decltype(&std::free)> memory(large_array(kLargest), &std::free);
    for (std::int64_t bytes = std::int64_t{1} << 16; bytes <= kLargest; bytes *= 4) {
      found.memory.push_back({static_cast<double>(bytes), cpu_bytes_per_second(memory.get(), bytes)});
    }
  } else {
    found.memory.push_back({INFINITY, cuda_bytes_per_second()});
  }
  const std::int64_t order = device == Device::cpu ? 2048 : 8192;
  found.f32_flops = product_flops<float>(device, order);
  found.bf16_flops = product_flops<bf16>(device, order);
  return found;
}

bool enabled_ = true;

}  // namespace

double Roofline::bytes_per_second(double working_set) const {
  const auto above = std::find_if(memory.begin(), memory.end(),
                                  [=](const MemoryCeiling& m) { return m.working_set >= working_set; });
  if (above == memory.end()) return memory.back().bytes_per_second;
  if (above == memory.begin()) return above->bytes_per_second;
  const MemoryCeiling& below = *(above - 1);
  const double share =
      std::log(working_set / below.working_set) / std::log(above->working_set / below.working_set);
  return below.bytes_per_second + share * (above->bytes_per_second - below.bytes_per_second);
}

const Roofline& roofline(Device device) {
  if (device == Device::cpu) {
    static const Roofline cpu = measured(Device::cpu);
    return cpu;
  }
  static const Roofline cuda = measured(Device::cuda);
  return cuda;
}

void enable_roofline(bool enabled) { enabled_ = enabled; }
bool roofline_enabled() { return enabled_; }

}  // namespace nagare::bench
