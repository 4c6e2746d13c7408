#pragma once
// The one wrapper around the CUDA runtime's host calls. Defined only in a build with CUDA: callers stand inside
// `if constexpr (kBuiltWithCuda)`. Every call that fails throws DeviceError, see kernels/device_error.h.
#include <cstddef>
#include <string>

#include "kernels/stream.h"

namespace nagare::cuda_runtime {

// Stream-ordered memory of the current device; nullptr when it is exhausted.
void* allocate(std::size_t bytes);
void release(void* block) noexcept;
void fill_zero(void* block, std::size_t bytes);
// On the compute stream; waits for the end when `to_host`.
void copy(void* to, const void* from, std::size_t bytes, bool to_host);
// The stream that every kernel of the process runs on.
Stream compute_stream();
void synchronize();
// Makes GPU `index` current and its pool keep freed memory. Returns "" or why it cannot be used (no driver, driver too
// old for this build, no such index, compute capability not built in).
std::string select(int index);
// "NVIDIA H200, sm_90, driver 13.0, 139.8 GiB": for `nagare info`; call after select().
std::string describe();

// Device time between two points of the compute stream.
class Timer {
 public:
  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void start();
  // Waits for the work launched since start(); its seconds.
  double stop();

 private:
  void* events_[2];
};

}  // namespace nagare::cuda_runtime
