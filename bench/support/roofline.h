#pragma once
// What this machine can do at best, measured in the same process as the benchmarks that are compared with it.
//
// memory    bytes per second, read plus written, of the best of four ways to copy or combine arrays (memcpy, a vector
//           loop, stores past the cache, STREAM's triad a = b + s c), on one thread or all, whichever is faster. The cost
//           of starting the threads is in it. On a CPU it depends on how much memory is walked through again and again:
//           the ceiling is measured for working sets from 64 KiB (first cache) to 1 GiB (memory) and interpolated, so that
//           a kernel whose buffers stay in a cache is held against that cache, not against the memory behind it. On CUDA
//           one figure, from memory: measure() empties the L2 before each call
// product   FLOP/s of a square matrix product, order 2,048 (CUDA: 8,192) on random numbers, f32 and bf16, by oneDNN (cuBLASLt)
// cost      about three seconds per device, once, when first asked for; 1 GiB of memory for that time
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace nagare::bench {

struct MemoryCeiling {
  double working_set;  // bytes
  double bytes_per_second;
};

struct Roofline {
  std::vector<MemoryCeiling> memory;  // working sets rising; one entry holds for all
  double f32_flops = 0.0;             // per second
  double bf16_flops = 0.0;

  // Interpolated in the logarithm of the working set, constant beyond the ends.
  double bytes_per_second(double working_set) const;
};

// The device must be available().
const Roofline& roofline(Device device);

// False: report() gives no roofline_percent and nothing is measured for it. Default: true.
void enable_roofline(bool enabled);
bool roofline_enabled();

}  // namespace nagare::bench
