#pragma once
// The one place where large memory is taken and copied, on either device.
//
// CPU blocks are 64-byte aligned and kept for reuse when freed (a training step asks for the same sizes again and
// again, and fresh pages would cost more than the kernels); in builds with sanitizers each has its exact size and is
// freed at once. CUDA blocks come from the driver's stream-ordered pool.
#include <cstddef>
#include <memory>

#include "kernels/device.h"
#include "kernels/stream.h"

namespace nagare {

// Uninitialised memory. bytes = 0 gives a valid empty block. Throws OutOfMemory.
std::shared_ptr<void> allocate(Device device, std::size_t bytes);

// Copies between any two devices; returns when the destination is ready on the current stream (a copy to the CPU:
// when the bytes have arrived). DeviceError when the GPU failed, now or at any time before.
struct CopySide {
  void* data;
  Device device;
};
void copy_bytes(CopySide to, CopySide from, std::size_t bytes);

struct MemoryUse {
  std::size_t in_use = 0;  // bytes held by live tensors
  std::size_t peak = 0;    // its maximum since the start or the last reset_peak_memory()
};
MemoryUse memory_use(Device device);
void reset_peak_memory(Device device);

}  // namespace nagare
